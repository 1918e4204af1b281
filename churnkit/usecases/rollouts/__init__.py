"""A challenger takes over, or does not."""
