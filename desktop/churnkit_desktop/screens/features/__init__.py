"""The screen 'features'."""
