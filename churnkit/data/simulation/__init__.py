"""A subscription business that never was: its log, and the truth about every customer."""
