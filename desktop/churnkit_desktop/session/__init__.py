"""What outlives a window: drafts, recent places, the script of what was done."""
