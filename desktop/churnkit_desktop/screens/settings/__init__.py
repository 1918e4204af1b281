"""The screen 'settings'."""
