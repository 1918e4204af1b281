"""The screen 'monitor'."""
