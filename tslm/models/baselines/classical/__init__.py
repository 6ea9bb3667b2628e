"""Classical forecasts, computed from the context alone: one file per rule."""
