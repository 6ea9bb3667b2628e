"""Cold starts: forecasts of series with few rows or none, from their titles."""
