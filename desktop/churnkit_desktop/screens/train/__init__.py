"""The screen 'train'."""
