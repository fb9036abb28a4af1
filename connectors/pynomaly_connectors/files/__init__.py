"""Files: CSV, JSON lines, gzip; one, many, or growing."""
