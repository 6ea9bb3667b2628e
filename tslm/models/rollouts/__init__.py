"""Roll-outs: how a forecast model covers a horizon that is longer than one pass."""
