"""Features of a project of events: defined, built, shown; and the labels beside them."""
