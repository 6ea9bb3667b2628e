"""Series in, tokens out: one file per published idea."""
