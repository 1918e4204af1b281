"""The requests that the service knows, one module per resource."""
