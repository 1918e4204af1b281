"""What a running model looks like from its numbers: drift, quality, alerts; no I/O, no clock."""
