"""Whether a new model may take over: numbers in, decisions out; no I/O, no clock."""
