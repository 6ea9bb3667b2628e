"""Conformal prediction: one file per method, named by the yaml files of ``conf/conformal``."""
