"""Linear prediction: filters of frames, distances of filters, codebooks."""
