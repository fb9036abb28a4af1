"""The engine and the use cases, as plain functions over ports."""
