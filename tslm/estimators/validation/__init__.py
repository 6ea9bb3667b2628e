"""Validation: errors of every window, and the verdict on the language model."""
