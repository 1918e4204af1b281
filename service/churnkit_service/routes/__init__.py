"""One module per resource; each has its endpoints in ``ENDPOINTS``."""
