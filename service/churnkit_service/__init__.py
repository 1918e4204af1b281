"""The service: churnkit's use cases over HTTP, with everything durable in PostgreSQL."""
