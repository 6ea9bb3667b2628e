"""Controls: replacements of a pretrained backbone, to measure its contribution."""
