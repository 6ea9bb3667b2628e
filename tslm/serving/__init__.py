"""Forecast server: a saved model behind HTTP."""
