"""Long work of the service, for uploaded files."""
