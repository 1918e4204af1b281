"""The screen 'overview'."""
