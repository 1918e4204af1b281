"""What goes over the wire: the service validates with these types, the client reads them."""
