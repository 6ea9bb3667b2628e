"""tslm in the clothes of sktime, fev and foundationforecast, each an extra of its own."""
