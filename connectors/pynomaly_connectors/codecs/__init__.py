"""Bytes to columns, and events to bytes."""
