"""Regression of single series on covariates, chosen and weighted by rolling validation."""
