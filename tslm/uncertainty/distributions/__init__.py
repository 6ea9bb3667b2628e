"""Families of predictive distributions, one file each."""
