"""Evaluation: metrics, benchmarks, ablations, tuning."""
