"""Baselines: what a language model has to beat."""
