"""The service behind the same protocol as a project folder."""
