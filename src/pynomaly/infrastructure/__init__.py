"""Adapters of the control plane: settings, kernels, telemetry, adapted detectors."""
