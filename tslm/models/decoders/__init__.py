"""Hidden states in, values out."""
