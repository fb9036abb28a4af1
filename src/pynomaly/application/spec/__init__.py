"""The flow specification: what an operator writes in YAML, as validated values."""
