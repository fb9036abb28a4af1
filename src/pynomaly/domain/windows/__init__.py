"""Event-time windows on a watermark per stream."""
