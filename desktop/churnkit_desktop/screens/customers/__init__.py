"""The screen 'customers'."""
