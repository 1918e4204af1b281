"""The screen 'experiments'."""
