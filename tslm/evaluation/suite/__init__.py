"""Benchmark suite: many public tasks, one protocol, one table with every model."""
