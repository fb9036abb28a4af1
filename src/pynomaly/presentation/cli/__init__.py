"""The program `pynomaly`."""
