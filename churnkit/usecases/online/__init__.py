"""Features of the present: built from the log, kept up to date by events, read for scores."""
