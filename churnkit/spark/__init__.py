"""Features and scores on Spark: the same statement, the same bundle; needs the extra ``spark``."""
