"""Reading of statements: sentences about what is coming, and the effect they have."""
