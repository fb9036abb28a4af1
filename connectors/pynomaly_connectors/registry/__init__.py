"""Schemas from and for a Schema Registry."""
