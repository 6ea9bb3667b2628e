"""Ablation: test on the same windows if the language model helps, and report the verdicts."""
