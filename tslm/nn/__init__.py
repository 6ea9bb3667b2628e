"""Parts that know no method."""
