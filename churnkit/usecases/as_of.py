"""The moment to look from, as a person gives it."""

from __future__ import annotations

from datetime import date, datetime

from churnkit.data.zones import moment_us
from churnkit.errors import AsOfInvalid

AsOf = date | datetime | str
"""A date is its midnight in the project's zone; a moment without a zone is of its wall clock."""


def as_of_us(as_of: AsOf, zone: str) -> int:
    """Microseconds in UTC of the moment to look from.

    Raises
    ------
    AsOfInvalid : a text that is no date and no moment
    """
    if isinstance(as_of, str):
        try:
            as_of = datetime.fromisoformat(as_of.strip())
        except ValueError:
            raise AsOfInvalid(
                f"'{as_of}' is no date.",
                fix="Write 2026-01-31, or a moment such as 2026-01-31T12:00+01:00.",
                as_of=as_of,
            ) from None
    if not isinstance(as_of, datetime):
        as_of = datetime(as_of.year, as_of.month, as_of.day)  # noqa: DTZ001 - a wall clock
    return moment_us(as_of, zone)
