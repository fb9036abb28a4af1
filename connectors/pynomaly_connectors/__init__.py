"""Whatever moves records or events across the edge of the process."""
