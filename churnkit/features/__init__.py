"""What the model sees of a customer."""
