"""Stand-ins for a pretrained body, which tell what it is worth."""
