"""``churnkit demo``."""
