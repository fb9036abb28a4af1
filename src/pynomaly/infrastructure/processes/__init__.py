"""Processes of the operating system: kept running, stopped, and never left behind."""
