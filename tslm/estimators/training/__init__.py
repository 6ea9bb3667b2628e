"""Training: the Lightning module, its callbacks, checkpoints and resuming."""
