"""The append-only record, in SQLite or PostgreSQL."""
