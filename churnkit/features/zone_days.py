"""The days of a zone as plain whole numbers, so that no engine needs a date function."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from churnkit.domain.moments import to_us

_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_EVER = 2**62


@lru_cache(maxsize=16)
def offsets(zone: str) -> tuple[tuple[int, int, int], ...]:
    """The stretches of one distance from UTC, in order: (from_us, until_us, offset_us).

    The day of a moment is ``floor((t_us + offset_us) / US_PER_DAY)``. Found by asking the zone
    for every day of 1900 … 2100 and halving where it changes, as the zone's table is not public.
    """
    clock = ZoneInfo(zone)

    def offset(moment: datetime) -> timedelta:
        return moment.astimezone(clock).utcoffset() or timedelta()

    changes: list[tuple[datetime, timedelta]] = []
    moment, holds = _FIRST, offset(_FIRST)
    first = holds
    while moment < _LAST:
        following = moment + timedelta(days=1)
        if offset(following) != holds:
            low, high = moment, following
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (middle, high) if offset(middle) == holds else (low, middle)
            holds = offset(following)
            changes.append((high, holds))
        moment = following
    starts = [-_EVER, *(to_us(at) for at, _ in changes)]
    values = [first, *(new for _, new in changes)]
    return tuple(
        (start, end, value // timedelta(microseconds=1))
        for start, end, value in zip(starts, [*starts[1:], _EVER], values, strict=True)
    )
