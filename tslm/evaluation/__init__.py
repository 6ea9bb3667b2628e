"""Evaluation of forecasters: metrics, benchmark protocols, ablations, speed and tuning."""
