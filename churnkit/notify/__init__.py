"""Alerts on their way to persons: webhook and e-mail."""
