"""From a user's frame to windows of tensors."""
