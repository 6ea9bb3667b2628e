"""Models: tensors in, tensors out. They know no data frame."""
