"""Settings of a model and of a command: composed from yaml, checked, and made into parts."""
