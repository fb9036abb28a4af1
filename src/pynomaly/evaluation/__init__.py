"""Detectors and flows against labels: contenders, the baselines beside them, and the runs that compare them."""

from __future__ import annotations
