"""Titles of series: forecasts of series with few rows or none, from words about them."""
