"""Measurements, reported as ratios within one run. Absolute figures depend on the machine."""
