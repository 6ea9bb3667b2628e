"""From raw numbers to distributions, one file a family."""
