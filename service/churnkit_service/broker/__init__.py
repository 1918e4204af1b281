"""Events and requests from a message broker, predictions back to it."""
