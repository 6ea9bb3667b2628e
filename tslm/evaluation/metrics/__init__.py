"""Error measures of forecasts: of backtests, and of the M competitions."""
