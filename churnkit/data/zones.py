"""Local time and UTC by the IANA rules, for arrays; the rules come from ``zoneinfo``.

Local times at a clock change follow one rule, PEP 495's ``fold=0``: they are read with the offset
that was valid before the change. So a time that exists twice is the first of the two, and one
that does not exist is moved forward by the gap (02:30 becomes 03:30 where the clock goes from
02:00 to 03:00).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from churnkit.domain.events import US_PER_DAY

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock, not a moment
_FIRST_YEAR, _LAST_YEAR = 1, 9999
_STEP_S = 6 * 3600
"""No zone ever changed its clock twice within six hours."""


@dataclass(frozen=True, eq=False)
class Transitions:
    """The clock changes of a zone within some years.

    ``at_us`` are the moments in UTC, shape (n,); ``offset_us`` what is added to UTC to get local
    time, shape (n + 1,): entry i holds before moment i, the last one after the last moment.
    """

    at_us: Ints
    offset_us: Ints


def local_us(t_us: Ints, zone: str) -> Ints:
    """The wall clock's microseconds since 1970-01-01 00:00 at moments in UTC."""
    rules = _rules_for(t_us, zone)
    index = np.searchsorted(rules.at_us, t_us, side="right")
    local: Ints = t_us + rules.offset_us[index]
    return local


def day_numbers(t_us: Ints, zone: str) -> Ints:
    """The day since 1970-01-01 in the zone, for moments in UTC."""
    days: Ints = np.floor_divide(local_us(t_us, zone), US_PER_DAY)
    return days


def utc_us(wall_us: Ints, zone: str) -> tuple[Ints, Flags, Flags]:
    """Moments in UTC of wall-clock times.

    Returns
    -------
    t_us : shape (n,)
    twice : which times exist twice (the first is taken)
    never : which do not exist (moved forward by the gap)
    """
    rules = _rules_for(wall_us, zone)
    before, after = rules.offset_us[:-1], rules.offset_us[1:]
    # With fold=0 a change is passed once the later of both wall clocks shows its moment.
    late, early = rules.at_us + np.maximum(before, after), rules.at_us + np.minimum(before, after)
    index = np.searchsorted(late, wall_us, side="right")
    t_us = wall_us - rules.offset_us[index]
    odd = np.zeros(len(wall_us), dtype=np.bool_)
    if len(late):
        following = np.minimum(index, len(late) - 1)
        odd = (index < len(late)) & (wall_us >= early[following])
        never = odd & (after[following] > before[following])
    else:
        never = odd.copy()
    return t_us, odd & ~never, never


def plus_days(t_us: int, days: int, zone: str) -> int:
    """The moment when the wall clock shows the same time so many days later (or earlier)."""
    wall = local_us(np.array([t_us], dtype=np.int64), zone) + days * US_PER_DAY
    return int(utc_us(wall, zone)[0][0])


def midnight_us(day: date | int, zone: str) -> int:
    """The moment in UTC when a day begins in the zone; ``day`` may be its number."""
    number = day if isinstance(day, int) else (day - date(1970, 1, 1)).days
    return int(utc_us(np.array([number * US_PER_DAY], dtype=np.int64), zone)[0][0])


def moment_us(moment: datetime, zone: str) -> int:
    """Microseconds in UTC of a moment; without a zone it is the wall clock's."""
    if moment.tzinfo is None:
        wall = np.array([(moment - _NAIVE_EPOCH) // timedelta(microseconds=1)], dtype=np.int64)
        return int(utc_us(wall, zone)[0][0])
    return (moment - _EPOCH) // timedelta(microseconds=1)


def shown_moment(t_us: int, zone: str) -> str:
    """A moment as text in the zone: a date at midnight, otherwise with minutes or more."""
    wall = int(local_us(np.array([t_us], dtype=np.int64), zone)[0])
    if wall % US_PER_DAY == 0:
        return (_NAIVE_EPOCH + timedelta(microseconds=wall)).date().isoformat()
    text = (_NAIVE_EPOCH + timedelta(microseconds=wall)).isoformat(sep=" ")
    return text.removesuffix(":00")


def local_sql(column: str, zone: str, first_us: int, last_us: int) -> str:
    """The wall clock's microseconds as SQL without date functions, within a range of moments."""
    rules = transitions(zone, _year(first_us), _year(last_us))
    keep = (rules.at_us > first_us) & (rules.at_us <= last_us)
    start = int(np.searchsorted(rules.at_us, first_us, side="right"))
    offsets = rules.offset_us[start : start + int(keep.sum()) + 1]
    cases = "".join(
        f" when {column} < {at} then {offset}"
        for at, offset in zip(rules.at_us[keep], offsets[:-1], strict=True)
    )
    if not cases:
        return f"({column} + {offsets[-1]})" if offsets[-1] else column
    return f"({column} + case{cases} else {offsets[-1]} end)"


@lru_cache(maxsize=1024)
def transitions(zone: str, first_year: int, last_year: int) -> Transitions:
    """The clock changes from a year before the first to a year after the last."""
    known = ZoneInfo(zone)
    start = max(datetime(max(first_year - 1, _FIRST_YEAR), 1, 3, tzinfo=UTC), _at(-62_135_000_000))
    end = datetime(min(last_year + 1, _LAST_YEAR), 12, 28, tzinfo=UTC)
    low, high = int((start - _EPOCH).total_seconds()), int((end - _EPOCH).total_seconds())
    at: list[int] = []
    offsets = [_offset(low, known)]
    if zone != "UTC":
        for second in range(low, high, _STEP_S):
            following = min(second + _STEP_S, high)
            if _offset(following, known) != offsets[-1]:
                at.append(_changed(second, following, known) * _US)
                offsets.append(_offset(following, known))
    return Transitions(
        np.array(at, dtype=np.int64), np.array([o * _US for o in offsets], dtype=np.int64)
    )


def _changed(low: int, high: int, zone: ZoneInfo) -> int:
    before = _offset(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(second: int, zone: ZoneInfo) -> int:
    offset = _at(second).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _at(second: int) -> datetime:
    return _EPOCH + timedelta(seconds=second)


def _rules_for(us: Ints, zone: str) -> Transitions:
    if not len(us):
        return transitions(zone, 1970, 1970)
    # Whole decades, so that batches share what was computed.
    first, last = _year(int(us.min())), _year(int(us.max()))
    return transitions(zone, first // 10 * 10, last // 10 * 10 + 9)


def _year(us: int) -> int:
    return min(max(_FIRST_YEAR, int(1970 + us // (365.2425 * US_PER_DAY))), _LAST_YEAR)
