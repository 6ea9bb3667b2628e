"""Estimators in the manner of scikit-learn: data frames in, data frames out."""
