"""Validation after a fit: errors of every window, and a comparison with baselines."""
