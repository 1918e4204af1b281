"""What all tables of the ledger are made with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

naming = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
}
metadata = sa.MetaData(naming_convention=naming)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond; SQLite keeps text that sorts as time does."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """Text on SQLite, which has no moments."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(32))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        if dialect.name == "sqlite":
            return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
        return moment

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value)  # with its Z; thirty times as quick as strptime
        moment: datetime = value
        return moment.astimezone(UTC)


# Text on both engines: what was hashed comes back to the letter.
Document = sa.Text

# Sorted by bytes on both engines, so that a beginning can be looked up in the index.
Sorted = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
