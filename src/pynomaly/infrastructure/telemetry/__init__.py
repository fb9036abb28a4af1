"""How a running flow is watched: metrics, health, logs, traces."""
