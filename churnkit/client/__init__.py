"""The service from Python: a typed client, and the messages that both ends speak."""
