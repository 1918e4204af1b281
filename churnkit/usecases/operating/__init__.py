"""What a running service, and who looks after it, needs."""
