"""Networks as chains of units with named blocks, and the weights they start from."""
