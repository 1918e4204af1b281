"""The screen 'rollout'."""
