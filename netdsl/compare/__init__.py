"""What is different between two networks, layer by layer, and in few words."""
