"""The days of a zone as plain whole numbers, so that no engine needs a date function."""

from __future__ import annotations

from functools import lru_cache

from churnkit.data.zones import transitions
from churnkit.domain.events import US_PER_DAY
from churnkit.domain.moments import from_us

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


@lru_cache(maxsize=16)
def days_go_back(zone: str, first_us: int, last_us: int) -> bool:
    """Whether a day comes back after the next one has begun, between two moments.

    So it was in St. John's until 2011, where clocks went from 00:01 back to 23:01.
    """
    years = from_us(first_us).year, from_us(last_us).year
    rules = transitions(zone, *years)
    return any(
        (moment + int(after)) // US_PER_DAY < (moment - 1 + int(before)) // US_PER_DAY
        for moment, before, after in zip(
            map(int, rules.at_us), rules.offset_us[:-1], rules.offset_us[1:], strict=True
        )
        if first_us <= moment <= last_us
    )
