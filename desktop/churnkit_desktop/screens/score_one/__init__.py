"""The screen 'score_one'."""
