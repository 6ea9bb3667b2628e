"""Weights of backbones: named, found, downloaded, checked."""
