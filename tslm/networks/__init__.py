"""Forecasters with weights of their own: what an LLM has to beat."""
