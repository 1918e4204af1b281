"""The days of a zone as plain whole numbers, so that no engine needs a date function."""

from __future__ import annotations

from functools import lru_cache

from churnkit.data.zones import transitions

_EVER = 2**62
_FIRST_YEAR, _LAST_YEAR = 1900, 2100


@lru_cache(maxsize=16)
def offsets(zone: str) -> tuple[tuple[int, int, int], ...]:
    """The stretches of one distance from UTC, in order: (from_us, until_us, offset_us).

    The day of a moment is ``floor((t_us + offset_us) / US_PER_DAY)``.
    """
    rules = transitions(zone, _FIRST_YEAR, _LAST_YEAR)
    at = [int(moment) for moment in rules.at_us]
    return tuple(zip([-_EVER, *at], [*at, _EVER], map(int, rules.offset_us), strict=True))
