"""The rules: records, detectors, calibration, decision, windows. No I/O, no clock, no ambient randomness."""
