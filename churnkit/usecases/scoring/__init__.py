"""Score customers, say why, and whom to contact."""
