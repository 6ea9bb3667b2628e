"""Models: tensors in, tensors out, without data frames."""
