"""Bytewax topologies: wiring only."""
