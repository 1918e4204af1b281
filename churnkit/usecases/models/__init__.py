"""Versions: where they are, who serves, who may take over, and what the journal says of it."""
