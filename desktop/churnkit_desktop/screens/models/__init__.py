"""The screen 'models'."""
