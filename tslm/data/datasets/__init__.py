"""Public data sets, read as their benchmarks define them."""
