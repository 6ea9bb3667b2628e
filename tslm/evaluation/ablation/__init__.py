"""Does the language model help? Arms on the same windows, statistics, verdicts, a report."""
