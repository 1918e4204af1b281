"""A project from files, queries and logs: how it is made, and newer data taken in."""
