"""Statements about what is coming, and their effects on the forecasts of a fitted model."""
