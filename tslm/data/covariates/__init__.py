"""Covariates: chosen, encoded, known ahead of time, and their effect."""
