"""Mix of local rules and a trained model: members, weights, combination."""
