"""Baselines: forecasters without a language model, to compare with."""
