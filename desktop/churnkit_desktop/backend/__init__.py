"""What the screens speak to: a project folder or a service, behind one protocol."""
