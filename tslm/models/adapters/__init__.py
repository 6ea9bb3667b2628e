"""Adapters from series to tokens: one file per published method."""
