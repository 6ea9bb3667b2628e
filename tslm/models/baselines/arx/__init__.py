"""Autoregression with exogenous inputs."""
