"""Forget a customer, and what is too old."""
