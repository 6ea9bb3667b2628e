"""Events: statements in words about a series, with the steps that they concern."""
