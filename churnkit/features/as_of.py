"""Moments to look from, as people write them."""

from __future__ import annotations

import re
from datetime import date, datetime
from zoneinfo import ZoneInfo

from churnkit.errors import AsOfInvalid


def parse_as_of(text: str, zone: str) -> datetime:
    """A date (the first moment of that day in the project's zone), or a moment with its zone.

    Parameters
    ----------
    text : ``2026-03-01``, ``2026-03-01T12:00+01:00`` or ``2026-03-01 12:00Z``
    zone : the project's zone, such as ``Europe/Berlin``

    Raises
    ------
    AsOfInvalid : neither, or a moment without a zone
    """
    written = text.strip()
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", written):
            day = date.fromisoformat(written)
            # A midnight that a clock change leaves out is read by the clock before it, which
            # gives the very moment of the change: the day's first.
            return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise AsOfInvalid(
            f"'{text}' is no date.",
            fix="Write 2026-03-01 (that midnight in the project's zone) or 2026-03-01T12:00+01:00.",
            as_of=text,
        ) from None
    if moment.tzinfo is None:
        raise AsOfInvalid(
            f"'{text}' could be a moment in any zone.",
            fix=f"Add its distance from UTC, such as {written}+01:00 or {written}Z.",
            as_of=text,
        )
    return moment
