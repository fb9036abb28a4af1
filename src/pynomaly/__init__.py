"""Streaming anomaly detection that replays exactly."""
