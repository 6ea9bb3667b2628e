"""Backbones: frozen language models, and the controls in their place."""
