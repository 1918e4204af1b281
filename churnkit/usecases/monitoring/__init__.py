"""How good the models have been, what drifts, and who is told."""
