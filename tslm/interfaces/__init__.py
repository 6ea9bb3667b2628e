"""Interfaces to the outside: command line, model hub, other forecasting libraries."""
