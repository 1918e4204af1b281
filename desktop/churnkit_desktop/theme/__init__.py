"""Colours, spaces and letters, light and dark."""
