"""Protocols of published benchmarks: long horizons, and the M competitions."""
