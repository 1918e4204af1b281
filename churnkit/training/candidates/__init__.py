"""One module per candidate model."""
