"""What is done to a network, or read from it, to see what transferred."""
