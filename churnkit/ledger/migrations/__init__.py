"""Migrations of the ledger (Alembic), shipped with the package."""
