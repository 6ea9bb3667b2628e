"""Plots of forecasts, results and codes."""
