"""Times as logs write them, as microseconds in UTC; vectorised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.infer import MISSING_WORDS
from churnkit.data.zones import Flags, Ints, utc_us
from churnkit.domain.events import US_PER_DAY

_US = 1_000_000
_TEXT_NUMBER = r"^[+-]?\d{1,17}(\.\d{1,9})?$"
_ZONED = (
    r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(\.\d{1,9})?)? ?(Z|z|UTC|[+-]\d\d(?::?\d\d)?)$"
)
_CLOCK = r"(?:[T ]+(\d\d?:\d\d)(?::(\d\d)(\.\d{1,9})?)?(?: ?([AaPp])\.?[Mm]\.?)?)?$"
_DATE = {
    "iso": (r"^(\d{4})-(\d\d?)-(\d\d?)", (1, 2, 3)),
    "yyyymmdd": (r"^(\d{4})(\d\d)(\d\d)", (1, 2, 3)),
    "yyyy/mm/dd": (r"^(\d{4})/(\d\d?)/(\d\d?)", (1, 2, 3)),
    "dd.mm.yyyy": (r"^(\d\d?)\.(\d\d?)\.(\d{4})", (3, 2, 1)),
    "dd/mm/yyyy": (r"^(\d\d?)/(\d\d?)/(\d{4})", (3, 2, 1)),
    "mm/dd/yyyy": (r"^(\d\d?)/(\d\d?)/(\d{4})", (3, 1, 2)),
}
_EPOCHS = {"epoch_s": _US, "epoch_ms": 1_000, "epoch_us": 1}
_EXCEL_DAYS = 25_569
"""1970-01-01 in Excel's count of days (the 1900 date system, after its 29 February 1900)."""
EARLIEST_US = -62_135_596_800 * _US
"""0001-01-01, the first date of the calendar that churnkit handles."""
LATEST_US = 253_370_764_800 * _US
"""9999-01-01."""


@dataclass(frozen=True, eq=False)
class Times:
    """A column of moments.

    ``us`` shape (n,), UTC, 0 where there is none; ``missing`` and ``bad`` say where and why;
    ``n_twice`` and ``n_never`` count local times at a clock change.
    """

    us: Ints
    missing: Flags
    bad: Flags
    n_twice: int = 0
    n_never: int = 0


def parse_times(values: pa.Array, *, form: str, zone: str) -> Times:
    """Read a column of times.

    Dates and timestamps of a file's own types are what they are, whatever ``form`` says; a
    timestamp with a zone keeps its moment. Text with a zone ("…Z", "…+02:00") keeps it, too.

    Parameters
    ----------
    values : text, numbers, dates or timestamps
    form : one of the formats in churnkit/settings/kinds.py; empty: iso
    zone : of times that name none; the rule for clock changes is in churnkit/data/zones.py
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        us, outside = _native(values)
        zoned = pa.types.is_timestamp(kind) and bool(kind.tz)
        return _moments(us, _flags(pc.is_null(values)), None if zoned else zone, bad=outside)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbers(values, form, zone)
    if pa.types.is_null(kind):
        return Times(np.zeros(len(values), np.int64), *_all_missing(len(values)))
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        values = pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string())
    text = pc.utf8_trim_whitespace(values.cast(pa.string()))
    blank = pc.or_(pc.equal(text, ""), pc.is_in(pc.utf8_lower(text), pa.array(MISSING_WORDS)))
    text = pc.if_else(pc.fill_null(blank, True), pa.scalar(None, pa.string()), text)
    if form in _EPOCHS or form == "excel":
        numeric = pc.match_substring_regex(text, _TEXT_NUMBER)
        numbers = pc.if_else(numeric, text, pa.scalar(None, pa.string()))
        if form in _EPOCHS:
            read = _numbers(numbers.cast(pa.decimal128(38, 9)), form, zone)
        else:
            read = _numbers(numbers.cast(pa.float64()), form, zone)
        missing = _flags(pc.is_null(text))
        return Times(read.us, missing, (read.missing & ~missing) | read.bad,
                     read.n_twice, read.n_never)  # fmt: skip
    return _texts(text, form or "iso", zone)


def _native(values: pa.Array) -> tuple[Ints, Flags]:
    """Microseconds of dates and timestamps; whether they are outside the calendar.

    Arrow's own casts wrap around where a moment is too far away.
    """
    kind = values.type
    if pa.types.is_date32(kind):
        counts, factor = _ints(values.cast(pa.int32())), US_PER_DAY
    elif pa.types.is_date64(kind):
        counts, factor = _ints(values.cast(pa.int64())), 1_000
    elif kind.unit == "ns":  # finer than microseconds is cut off
        return np.floor_divide(_ints(values.cast(pa.int64())), 1_000), np.zeros(
            len(values), np.bool_
        )
    else:
        counts = _ints(values.cast(pa.int64()))
        factor = {"s": _US, "ms": 1_000, "us": 1}[kind.unit]
    outside = (counts < EARLIEST_US // factor) | (counts > LATEST_US // factor)
    return np.where(outside, 0, counts) * factor, outside


def _numbers(values: pa.Array, form: str, zone: str) -> Times:
    floats = values.cast(pa.float64(), safe=False)
    missing = _flags(pc.or_(pc.is_null(values), pc.fill_null(pc.is_nan(floats), True)))
    plain = _floats(floats)
    if form in _EPOCHS:
        scale = _EPOCHS[form]
        outside = ~(np.abs(plain) < LATEST_US / scale)
        if pa.types.is_floating(values.type):
            us = np.rint(np.where(outside, 0.0, plain) * scale).astype(np.int64)
        elif pa.types.is_decimal(values.type):
            kept = pc.if_else(pa.array(outside | missing), pa.scalar(0, values.type), values)
            scaled = pc.multiply(
                kept.cast(pa.decimal128(28, 9), safe=False), pa.scalar(scale, pa.decimal128(8, 0))
            )
            us = _ints(pc.floor(scaled).cast(pa.int64()))
        else:
            us = np.where(outside, 0, _ints(values.cast(pa.int64(), safe=False))) * scale
        return _moments(us, missing, None, bad=outside & ~missing)
    if form == "excel":
        outside = ~((plain >= 1) & (plain < 2_958_466))  # 1900-01-01 … 9999-12-31
        days = np.where(outside | missing, _EXCEL_DAYS, plain) - _EXCEL_DAYS
        # A day's fraction is kept to the millisecond, as Excel does.
        us = np.rint(days * (US_PER_DAY // 1_000)).astype(np.int64) * 1_000
        return _moments(us, missing, zone, bad=outside & ~missing)
    whole = np.where(np.isfinite(plain) & (np.abs(plain) < 1e15), plain, -1.0)
    text = pa.array(whole.astype(np.int64)).cast(pa.string())
    text = pc.if_else(pa.array(missing), pa.scalar(None, pa.string()), text)
    odd = pa.array(~missing & (whole != plain))
    text = pc.if_else(odd, pa.scalar("?"), text)
    return _texts(text, "yyyymmdd" if form == "yyyymmdd" else "none", zone)


def _texts(text: pa.Array, form: str, zone: str) -> Times:
    missing = _flags(pc.is_null(text))
    us = np.zeros(len(text), np.int64)
    bad = ~missing
    n_twice = n_never = 0
    for zoned in (True, False):
        left = np.flatnonzero(bad)
        if not len(left) or form == "none" or (zoned and form != "iso"):
            continue
        some = text.take(pa.array(left))
        if zoned:
            found = _flags(pc.match_substring_regex(some, _ZONED))
            us_some, good = _zoned(some.filter(pa.array(found)))
            read = _moments(us_some, ~good, None)
        else:
            pattern = _DATE[form][0] + _CLOCK
            found = _flags(pc.match_substring_regex(some, pattern))
            us_some, good = _local(some.filter(pa.array(found)), form)
            read = _moments(us_some, ~good, zone)
        places = left[found][good & ~read.bad]
        us[places] = read.us[good & ~read.bad]
        bad[places] = False
        n_twice, n_never = n_twice + read.n_twice, n_never + read.n_never
    return Times(us, missing, bad, n_twice, n_never)


def _zoned(text: pa.Array) -> tuple[Ints, Flags]:
    offset = pc.replace_substring_regex(text, _ZONED, r"\5")
    bare = pc.replace_substring_regex(text, r" ?(Z|z|UTC|[+-]\d\d(:?\d\d)?)$", "")
    us, good = _local(bare, "iso")
    digits = pc.replace_substring_regex(offset, r"^(Z|z|UTC)$", "+0000")
    digits = pc.replace_substring(digits, ":", "")
    hours = _ints(pc.utf8_slice_codeunits(digits, 1, 3).cast(pa.int64()))
    rest = pc.utf8_slice_codeunits(digits, 3, 5)
    minutes = _ints(pc.if_else(pc.equal(rest, ""), "0", rest).cast(pa.int64()))
    minus = _flags(pc.starts_with(digits, "-"))
    shift = (hours * 3600 + minutes * 60) * _US
    good &= (hours <= 18) & (minutes < 60)
    return us - np.where(minus, -shift, shift), good


def _local(text: pa.Array, form: str) -> tuple[Ints, Flags]:
    """Wall-clock microseconds; whether the date and the time of day exist."""
    pattern, (year, month, day) = _DATE[form]
    parts = pc.replace_substring_regex(
        text, pattern + _CLOCK, rf"\{year}|\{month}|\{day}|\4|\5|\6|\7"
    )
    fields = pc.split_pattern(parts, "|")

    def part(index: int) -> pa.Array:
        return pc.list_element(fields, index) if len(text) else pa.array([], pa.string())

    def number(values: pa.Array) -> Ints:
        return _ints(pc.if_else(pc.equal(values, ""), "0", values).cast(pa.int64()))

    years, months, days = number(part(0)), number(part(1)), number(part(2))
    clock = pc.split_pattern(pc.if_else(pc.equal(part(3), ""), "0:0", part(3)), ":")
    hours = number(pc.list_element(clock, 0)) if len(text) else years
    minutes = number(pc.list_element(clock, 1)) if len(text) else years
    half = pc.utf8_lower(part(6))
    afternoon, halved = _flags(pc.equal(half, "p")), _flags(pc.not_equal(half, ""))
    in_halves = ~halved | ((hours >= 1) & (hours <= 12))
    hours = np.where(halved, hours % 12 + 12 * afternoon, hours)
    seconds = number(part(4))
    fraction = pc.utf8_slice_codeunits(part(5), 1, 7)  # finer than microseconds is cut off
    micros = number(pc.utf8_rpad(fraction, 6, "0"))
    good = (years >= 1) & (years < 9999) & (months >= 1) & (months <= 12) & (days >= 1)
    good &= in_halves & (hours < 24) & (minutes < 60) & (seconds < 60)
    first = (np.where(good, years, 1970) - 1970) * 12 + np.where(good, months, 1) - 1
    month_start = first.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    next_month = (first + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    good &= days <= next_month - month_start
    day_number = month_start + days - 1
    us = day_number * US_PER_DAY + ((hours * 60 + minutes) * 60 + seconds) * _US + micros
    return np.where(good, us, 0), good


def _moments(us: Ints, missing: Flags, zone: str | None, bad: Flags | None = None) -> Times:
    """Check the range, and read wall clocks in their zone; None: ``us`` is UTC already."""
    outside = (us < EARLIEST_US + 2 * US_PER_DAY) | (us >= LATEST_US)
    bad = (outside if bad is None else outside | bad) & ~missing
    usable = np.where(bad | missing, 0, us)
    if zone is None or zone == "UTC":
        return Times(usable, missing, bad)
    moments, twice, never = utc_us(usable, zone)
    fine = ~(bad | missing)
    return Times(
        np.where(fine, moments, 0),
        missing,
        bad,
        int((twice & fine).sum()),
        int((never & fine).sum()),
    )


def _all_missing(n: int) -> tuple[Flags, Flags]:
    return np.ones(n, np.bool_), np.zeros(n, np.bool_)


def _flags(values: pa.Array) -> Flags:
    flags: Flags = pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(np.bool_)
    return flags


def _ints(values: pa.Array) -> Ints:
    ints: Ints = pc.fill_null(values, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return ints


def _floats(values: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(pc.fill_null(values, np.nan).to_numpy(zero_copy_only=False), np.float64)
