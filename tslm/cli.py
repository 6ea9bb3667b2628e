"""tslm VERB key=value ...: parse, delegate, exit."""
