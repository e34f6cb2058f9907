"""Sound files in, log-mel images out."""
