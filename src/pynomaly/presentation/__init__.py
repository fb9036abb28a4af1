"""What shows and asks: the command line."""
