"""Train a network: its arrays, the step, the loop, checkpoints, and what is made of them."""
