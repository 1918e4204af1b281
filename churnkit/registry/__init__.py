"""Bundles, the journal's rules, and MLflow."""
