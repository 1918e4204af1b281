"""Times and numbers of logs are read as zoneinfo and Decimal read them."""

# ruff: noqa: DTZ001 - wall clocks without a zone are meant

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.data.event_times import Times, parse_times
from churnkit.data.fixed_point import decimals_needed, fixed_point
from churnkit.data.zones import (
    day_numbers,
    local_sql,
    local_us,
    midnight_us,
    moment_us,
    plus_days,
    utc_us,
)

BERLIN = "Europe/Berlin"
ZONES = [
    "UTC", BERLIN, "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia",
    "Africa/Casablanca", "America/Sao_Paulo", "Asia/Tehran", "Atlantic/Azores",
]  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // US


def _read(*values: object, form: str = "", zone: str = "UTC") -> Times:
    return parse_times(pa.array(values), form=form, zone=zone)


@given(
    st.sampled_from(ZONES),
    st.lists(st.datetimes(datetime(1905, 1, 1), datetime(2090, 1, 1)), min_size=1, max_size=6),
)
def test_zones_are_those_of_zoneinfo(zone: str, naive: list[datetime]) -> None:
    known = ZoneInfo(zone)
    walls = np.array([(one - datetime(1970, 1, 1)) // US for one in naive], np.int64)
    expected = [_us(one.replace(tzinfo=known, fold=0).astimezone(UTC)) for one in naive]
    moments, twice, never = utc_us(walls, zone)
    assert moments.tolist() == expected
    back = [
        (EPOCH + us * US).astimezone(known).replace(tzinfo=None) != one
        for us, one in zip(expected, naive, strict=True)
    ]
    assert never.tolist() == back
    assert twice.tolist() == [
        not gone
        and one.replace(tzinfo=known, fold=0).utcoffset()
        != one.replace(tzinfo=known, fold=1).utcoffset()
        for one, gone in zip(naive, back, strict=True)
    ]
    local = [(EPOCH + us * US).astimezone(known) for us in expected]
    days = [(one.date() - date(1970, 1, 1)).days for one in local]
    assert day_numbers(np.array(expected, np.int64), zone).tolist() == days


@given(st.sampled_from(ZONES), st.integers(-(10**15), 3 * 10**15), st.integers(-800, 800))
def test_days_later_is_the_same_wall_clock(zone: str, us: int, days: int) -> None:
    known = ZoneInfo(zone)
    wall = (EPOCH + us * US).astimezone(known).replace(tzinfo=None) + timedelta(days=days)
    assert plus_days(us, days, zone) == _us(wall.replace(tzinfo=known, fold=0).astimezone(UTC))


def test_sql_shows_the_wall_clock() -> None:
    low, high = moment_us(datetime(2020, 1, 1), BERLIN), moment_us(datetime(2025, 1, 1), BERLIN)
    moments = np.linspace(low, high, 5_000, dtype=np.int64)
    with duckdb.connect() as connection:
        connection.register("moments", pa.table({"t": moments}))
        sql = f"select {local_sql('t', BERLIN, low, high)} from moments"
        found = connection.execute(sql).fetchall()
    assert [row[0] for row in found] == local_us(moments, BERLIN).tolist()


def test_clock_changes_in_berlin() -> None:
    """Spring: 02:30 does not exist and is 03:30; autumn: it exists twice, the first is meant."""
    spring = _read("2024-03-31 02:30", zone=BERLIN)
    assert (spring.us[0], spring.n_never) == (_us(datetime(2024, 3, 31, 1, 30, tzinfo=UTC)), 1)
    autumn = _read("2024-10-27 02:30", zone=BERLIN)
    assert (autumn.us[0], autumn.n_twice) == (_us(datetime(2024, 10, 27, 0, 30, tzinfo=UTC)), 1)
    told = _read("2024-10-27 02:30+01:00", zone=BERLIN)
    assert (told.us[0], told.n_twice) == (_us(datetime(2024, 10, 27, 1, 30, tzinfo=UTC)), 0)
    for day in (date(2024, 3, 31), date(2024, 10, 27)):
        first, following = midnight_us(day, BERLIN), midnight_us(day + timedelta(days=1), BERLIN)
        assert (following - first) // 3_600_000_000 == (23 if day.month == 3 else 25)
        around = np.array([first - 1, first, following - 1, following], np.int64)
        number = (day - date(1970, 1, 1)).days
        assert day_numbers(around, BERLIN).tolist() == [number - 1, number, number, number + 1]


MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2099, 12, 31))


@given(MOMENTS, st.sampled_from(["T", " "]), st.integers(-14 * 60, 14 * 60))
def test_iso_with_offset(naive: datetime, separator: str, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    read = _read(moment.isoformat(separator), zone=BERLIN)
    assert (read.us[0], read.bad[0], read.n_twice) == (_us(moment), False, 0)


@given(MOMENTS, st.sampled_from(["epoch_s", "epoch_ms", "epoch_us"]))
def test_epochs_as_numbers_and_text(naive: datetime, form: str) -> None:
    us = _us(naive.replace(tzinfo=UTC))
    scale = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}[form]
    whole = us // scale
    assert _read(whole, form=form, zone=BERLIN).us[0] == whole * scale
    assert _read(str(whole), form=form, zone=BERLIN).us[0] == whole * scale
    # Whatever the notation, a fraction of a second in text is exact.
    assert _read(f"{Decimal(us) / scale:f}", form=form).us[0] == us


@given(MOMENTS)
def test_dates_in_each_notation(naive: datetime) -> None:
    day = naive.replace(hour=0, minute=0, second=0, microsecond=0)
    expected = _us(day.replace(tzinfo=ZoneInfo(BERLIN)).astimezone(UTC))
    for form, text in {
        "iso": "%Y-%m-%d", "yyyymmdd": "%Y%m%d", "yyyy/mm/dd": "%Y/%m/%d",
        "dd.mm.yyyy": "%d.%m.%Y", "dd/mm/yyyy": "%d/%m/%Y", "mm/dd/yyyy": "%m/%d/%Y",
    }.items():  # fmt: skip
        assert _read(day.strftime(text), form=form, zone=BERLIN).us[0] == expected, form
    assert _read(int(day.strftime("%Y%m%d")), form="yyyymmdd", zone=BERLIN).us[0] == expected
    excel = (day - datetime(1899, 12, 30)).days
    assert _read(excel, form="excel", zone=BERLIN).us[0] == expected
    assert _read(excel + 0.75, form="excel").us[0] == _us(
        (day + timedelta(hours=18)).replace(tzinfo=UTC)
    )
    for native in (pa.array([day.date()]), pa.array([day], pa.timestamp("ns"))):
        assert parse_times(native, form="epoch_s", zone=BERLIN).us[0] == expected


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2023-02-29", ""), ("2024-13-01", ""), ("2024-01-01 24:00", ""), ("2024-01-01 10:61", ""),
        ("yesterday", ""), ("2024-01-01T10:00+25:00", ""), ("0000-01-01", ""), ("99991", ""),
        ("19970230", "yyyymmdd"), ("1997011", "yyyymmdd"), ("31.04.2020", "dd.mm.yyyy"),
        ("1e9", "epoch_s"), ("99999999999999999", "epoch_s"), ("0", "excel"), ("x", "excel"),
    ],
)  # fmt: skip
def test_what_is_no_time(text: str, form: str) -> None:
    read = _read("", text, None, "NA", form=form)
    assert read.bad.tolist() == [False, True, False, False]
    assert read.missing.tolist() == [True, False, True, True]


@given(st.text(max_size=30), st.sampled_from(["", "epoch_s", "yyyymmdd", "excel", "dd/mm/yyyy"]))
def test_any_text_is_a_time_or_not(text: str, form: str) -> None:
    read = _read(text, form=form, zone=BERLIN)
    assert not (read.missing[0] and read.bad[0])


@given(
    st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=4),
    st.integers(0, 6),
)
def test_fixed_point_is_decimal(number: Decimal, decimals: int) -> None:
    scaled = number.scaleb(decimals)
    whole = scaled == scaled.to_integral_value()
    rounded = int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
    for value in (f"{number:f}", float(number)):
        strict = fixed_point(pa.array([value]), decimals=decimals, rounded=False)
        assert (not strict.reasons) == whole, value
        if whole:
            assert strict.scaled[0] == int(scaled)
        relaxed = fixed_point(pa.array([value]), decimals=decimals, rounded=True)
        assert (relaxed.scaled[0], relaxed.reasons) == (rounded, {})
    assert decimals_needed(pa.array([f"{number:f}"])) == decimals_needed(pa.array([float(number)]))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("abc", "is no number"), ("1.2.3", "is no number"), ("inf", "is no number"),
        ("1e400", "is too large"), ("0.125", "has more than 2 decimals"),
        (float("inf"), "is too large"), (2**60, "is too large"),
        (0.1 + 0.2, "has more than 2 decimals"),
    ],
)  # fmt: skip
def test_what_is_no_value(value: object, reason: str) -> None:
    read = fixed_point(pa.array([value]), decimals=2, rounded=False)
    assert list(read.reasons) == [reason]


def test_notations_of_numbers() -> None:
    english = fixed_point(pa.array(["1,234.5", "+7", "", "NA", "1e2"]), decimals=2, rounded=False)
    assert english.scaled.tolist() == [123_450, 700, 0, 0, 10_000]
    assert english.missing.tolist() == [False, False, True, True, False]
    german = fixed_point(pa.array(["1.234,5", "-0,07"]), decimals=2, rounded=False, mark=",")
    assert german.scaled.tolist() == [123_450, -7]
    single = fixed_point(pa.array([2.55], pa.float32()), decimals=2, rounded=False)
    assert (single.scaled[0], single.reasons) == (255, {})
