"""From a raw row to a probability and its reasons."""
