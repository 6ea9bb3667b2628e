"""Linear predictive coding, as in LiPCoT: filters of frames, their distances, codebooks."""
