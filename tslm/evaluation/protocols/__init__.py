"""Protocols of published benchmarks."""
