"""From files and queries to typed DuckDB tables."""
