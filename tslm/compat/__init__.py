"""tslm in the clothes of other libraries, each an extra of its own: sktime, fev, foundationforecast."""
