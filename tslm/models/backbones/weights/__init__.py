"""Weights of backbones: catalogue, download, conversion, cache and verification."""
