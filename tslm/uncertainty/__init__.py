"""Distributions of forecasts, their calibration and sample paths."""
