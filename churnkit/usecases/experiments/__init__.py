"""Customers drawn into arms, and what may be read off them."""
