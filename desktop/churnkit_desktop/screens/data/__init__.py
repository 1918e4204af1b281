"""The screen 'data'."""
