"""What a network's numbers come of, as a teacher writes it: lessons, and questions about them."""
