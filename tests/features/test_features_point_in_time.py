"""No fact that was not known moves a value: each trap is sprung, and its opposite, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from churnkit.domain.events import US_PER_DAY
from churnkit.domain.moments import to_us
from churnkit.domain.progress import Cancel, Step
from churnkit.errors import AsOfInvalid, BadValue, Cancelled, TooLittleMemory
from churnkit.features.as_of import parse_as_of
from churnkit.features.definitions import (
    AttributeFeature,
    EventFeature,
    FeatureSet,
    Ratio,
    SubscriptionFeature,
    Trend,
)
from churnkit.features.offline import Plan, memory_within, stream_features
from churnkit.features.requests import ask
from tests.features.built import built, built_for_one_moment
from tests.features.event_logs import Event, Log, Period, Version, at, us

NOW = us(2024, 6, 15, 12)
SMALL = FeatureSet(
    features=(
        EventFeature(name="n", aggregate="count"),
        EventFeature(name="n_7", aggregate="count", window_days=7),
        EventFeature(name="n_30", aggregate="count", window_days=30),
        EventFeature(name="money", aggregate="sum", column="amount"),
        EventFeature(name="most", aggregate="max", column="amount", window_days=7),
        EventFeature(name="days", aggregate="active_days"),
        EventFeature(name="recency", aggregate="recency_days"),
        EventFeature(name="since_first", aggregate="since_first_days"),
        EventFeature(name="gap", aggregate="mean_gap_days"),
        EventFeature(name="kinds", aggregate="distinct", column="event_type"),
        EventFeature(name="channels", aggregate="distinct", column="channel"),
        Ratio(name="mean", numerator="money", denominator="n"),
        Trend(name="trend", recent="n_7", base="n_30"),
        AttributeFeature(name="plan", column="plan"),
        SubscriptionFeature(name="tenure", figure="tenure_days"),
        SubscriptionFeature(name="to_end", figure="days_to_end"),
        SubscriptionFeature(name="periods", figure="periods"),
    )
)
BASE = Log(
    (
        Event("ann", NOW - 40 * US_PER_DAY, amount=500),
        Event("ann", NOW - 5 * US_PER_DAY, amount=1250),
        Event("ann", NOW - 2 * US_PER_DAY, "login", amount=None, channel=None),
        Event("bob", NOW - 3 * US_PER_DAY),
    ),
    (Version("ann", NOW - 100 * US_PER_DAY, NOW - 100 * US_PER_DAY, plan="basic"),),
    (Period("ann", NOW - 90 * US_PER_DAY, NOW + 10 * US_PER_DAY, NOW - 90 * US_PER_DAY),),
)


@cache
def row(log: Log, as_of_us: int = NOW, customer: str = "ann") -> dict[str, Any]:
    """One row, the same from every plan."""
    (one,) = built(log, SMALL, [(customer, as_of_us)], plan="arrays").values()
    (other,) = built(log, SMALL, [(customer, as_of_us)], plan="statement").values()
    assert one == other
    for other in built_for_one_moment(log, SMALL, [(customer, as_of_us)]).values():
        assert one == other
    return one


FORBIDDEN: dict[str, Event | Version | Period] = {
    "an event a microsecond later": Event("ann", NOW + 1, amount=99_999),
    "an event next year": Event("ann", NOW + 365 * US_PER_DAY, "it's", channel="app"),
    "an event later on the same day": Event("ann", NOW + 3_600_000_000, "it's"),
    "an old event that is known a microsecond later": Event(
        "ann", NOW - US_PER_DAY, "it's", NOW + 1, 77, "app"
    ),
    "an event on a new day that is known next month": Event(
        "ann", NOW - 20 * US_PER_DAY, "buy", NOW + 30 * US_PER_DAY
    ),
    "an event of somebody else": Event("bob", NOW - US_PER_DAY, "it's", channel="app"),
    "a version that will hold": Version("ann", NOW + 1, NOW - US_PER_DAY, plan="gone"),
    "a version that holds but is known later": Version(
        "ann", NOW - US_PER_DAY, NOW + 1, plan="gone"
    ),
    "an older version that is known later": Version(
        "ann", NOW - 200 * US_PER_DAY, NOW - US_PER_DAY, plan="gone"
    ),
    "a period that is to start": Period("ann", NOW + 1, None, NOW - US_PER_DAY),
    "a period whose start is known later": Period("ann", NOW - US_PER_DAY, None, NOW + 1),
    "a cancellation that is known later": Period(
        "ann", NOW - 90 * US_PER_DAY, NOW + US_PER_DAY, NOW + 1
    ),
    "a period of somebody else": Period("bob", NOW - 500 * US_PER_DAY, None, 0),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_fact_moves_nothing(name: str) -> None:
    assert row(BASE.plus(FORBIDDEN[name])) == row(BASE)


def test_the_same_facts_move_values_once_they_are_allowed() -> None:
    """Or the test above would prove nothing."""
    for name, fact in FORBIDDEN.items():
        begins = fact.start_us if isinstance(fact, Period) else None
        begins = fact.valid_from_us if isinstance(fact, Version) else begins
        begins = fact.t_us if isinstance(fact, Event) else begins
        assert begins is not None
        allowed = max(begins, fact.known if isinstance(fact, Event) else fact.known_us, NOW)
        moved = row(BASE.plus(fact), allowed) != row(BASE, allowed)
        concerns = fact.customer == "ann" and name != "an older version that is known later"
        assert moved is concerns, name


def test_a_fact_at_the_very_moment_counts() -> None:
    log = BASE.plus(
        Event("ann", NOW), Event("ann", NOW - US_PER_DAY, known_us=NOW),
        Version("ann", NOW, NOW, plan="plus"), Period("ann", NOW, None, NOW),
    )  # fmt: skip
    found = row(log)
    assert (found["n"], found["recency"], found["plan"]) == (5, 0, "plus")
    assert (found["periods"], found["to_end"]) == (2, None)  # one is open


def test_events_of_one_instant_all_count_in_any_order() -> None:
    same = [Event("ann", NOW - 1, amount=cents) for cents in (1, 2, 3, 3)]
    found = row(BASE.plus(*same))
    assert found == row(BASE.plus(*reversed(same)))
    assert (found["n"], found["money"], found["days"]) == (7, 17.59, 4)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_days_are_cut_at_the_zones_midnight(zone: str) -> None:
    midnight = to_us(datetime(2024, 6, 15, tzinfo=ZoneInfo(zone)))
    log = Log((Event("ann", midnight - 1), Event("ann", midnight)), zone=zone)
    assert row(log, midnight)["days"] == 2
    assert row(log, midnight - 1)["days"] == 1
    found = row(log, midnight)
    assert (found["recency"], found["since_first"], found["gap"]) == (0, 1, 1.0)
    # A window of 7 days as of the 21st starts on the 15th: the event before midnight is out.
    later = to_us(datetime(2024, 6, 21, 23, 59, tzinfo=ZoneInfo(zone)))
    assert (row(log, later)["n_7"], row(log, later)["n"]) == (1, 2)
    assert row(log, to_us(datetime(2024, 6, 22, tzinfo=ZoneInfo(zone))))["n_7"] == 0


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", datetime(2024, 3, 31), 23),  # noqa: DTZ001 - the zone is beside it
        ("Europe/Berlin", datetime(2024, 10, 27), 25),  # noqa: DTZ001
        ("America/New_York", datetime(2024, 3, 10), 23),  # noqa: DTZ001
    ],
)
def test_a_day_with_a_clock_change_is_one_day(zone: str, day: datetime, hours: int) -> None:
    start = to_us(day.replace(tzinfo=ZoneInfo(zone)))
    end = start + hours * 3_600_000_000
    log = Log((Event("ann", start), Event("ann", end - 1), Event("ann", end)), zone=zone)
    assert row(log, end - 1)["days"] == 1
    found = row(log, end)
    assert (found["n"], found["days"], found["recency"], found["gap"]) == (3, 2, 0, 1.0)
    # Periods cut their days in the same way.
    paid = Log(periods=(Period("ann", start, end, start),), zone=zone)
    assert row(paid, end - 1)["tenure"] == 0
    assert row(paid, end - 1)["to_end"] == 1
    assert row(paid, end)["tenure"] == 1


def test_a_late_version_takes_its_place_when_it_is_known() -> None:
    """Two versions with the same start: what was known last holds, but only once it is known."""
    start = NOW - 50 * US_PER_DAY
    log = BASE.plus(
        Version("ann", start, start, plan="first"),
        Version("ann", start, NOW - US_PER_DAY, plan="corrected"),
    )
    assert row(log, NOW - 2 * US_PER_DAY)["plan"] == "first"
    assert row(log)["plan"] == "corrected"


def test_each_request_has_one_row_unknown_customers_too() -> None:
    pairs = [("ann", NOW), ("zoe", NOW), ("ann", NOW), ("ann", NOW - 1), ("", NOW), ("zoe", NOW)]
    for plan in get_args(Plan):
        rows = built(BASE, SMALL, pairs, plan=plan)
        assert sorted(rows) == sorted(set(pairs))
        empty = rows["zoe", NOW]
        assert empty == rows["", NOW]
        assert [name for name, value in empty.items() if value is not None] == [
            "n", "n_7", "n_30", "money", "days", "kinds", "channels", "periods",
        ]  # fmt: skip
        assert not any(empty[name] for name in ("n", "money", "days", "kinds", "periods"))


def test_an_empty_log_gives_rows() -> None:
    found = row(Log(customers=("ann",)))
    assert (found["n"], found["recency"], found["plan"]) == (0, None, None)


def test_doubled_facts_do_not_double_rows() -> None:
    doubled = Log(BASE.events, BASE.versions * 3, BASE.periods * 3)
    assert row(doubled) == row(BASE)


# --- requests -----------------------------------------------------------------------------


def test_dates_are_midnight_in_the_projects_zone() -> None:
    assert parse_as_of("2024-06-15", "Europe/Berlin") == datetime(2024, 6, 14, 22, tzinfo=UTC)
    # There was no midnight on this day in Cairo: it began at 01:00.
    skipped = parse_as_of("2023-04-28", "Africa/Cairo")
    assert skipped.astimezone(UTC) == datetime(2023, 4, 27, 22, tzinfo=UTC)
    assert parse_as_of("2024-06-15T12:00+02:00", "UTC") == datetime(2024, 6, 15, 10, tzinfo=UTC)
    for wrong in ("2024-06-15 12:00", "15.6.2024", "2024-02-30", ""):
        with pytest.raises(AsOfInvalid) as caught:
            parse_as_of(wrong, "UTC")
        assert caught.value.fix


def test_moments_without_a_zone_are_refused() -> None:
    with BASE.connection() as connection:
        with pytest.raises(AsOfInvalid, match="no zone"):
            ask(connection, "UTC", as_of=[datetime(2024, 6, 15)])  # noqa: DTZ001 - the mistake
        naive = pa.table({"customer_id": ["ann"], "as_of": pa.array([0], pa.timestamp("us"))})
        with pytest.raises(AsOfInvalid, match="no zone"):
            ask(connection, "UTC", pairs=naive)


def test_a_panel_is_every_customer_at_every_moment() -> None:
    steps: list[Step] = []
    moments = [at(NOW), at(NOW - US_PER_DAY), at(NOW)]
    with BASE.connection() as connection:
        asked = ask(connection, "UTC", as_of=moments)
        batches = list(
            stream_features(connection, SMALL, BASE.schema(), asked, progress=steps.append)
        )
    table = pa.Table.from_batches(batches)
    assert table.schema.field("as_of").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("n").type == pa.int64()
    assert table.schema.field("money").type == pa.float64()
    keys = list(zip(table["as_of"].to_pylist(), table["customer_id"].to_pylist(), strict=True))
    earlier, later = at(NOW) - timedelta(days=1), at(NOW)
    assert sorted(keys) == [(m, c) for m in (earlier, later) for c in ("ann", "bob")]
    assert steps[-1].done == 1.0


@pytest.mark.parametrize("plan", get_args(Plan))
def test_building_stops_when_told(plan: Plan) -> None:
    cancel = Cancel()
    log = Log(customers=tuple(f"c{n}" for n in range(70_000)))  # more than one batch
    with log.connection() as connection:
        asked = ask(connection, "UTC", as_of=[at(NOW), at(NOW - 1)])
        stream = stream_features(connection, SMALL, log.schema(), asked, plan=plan, cancel=cancel)
        next(stream)
        cancel.cancel()
        with pytest.raises(Cancelled):
            list(stream)


def test_a_sum_beyond_64_bits_is_an_error_not_a_wrong_number() -> None:
    most = 2**63 - 1
    log = Log((Event("ann", NOW - 1, amount=most), Event("ann", NOW - 2, amount=most)))
    for plan in get_args(Plan):
        with pytest.raises(BadValue, match="64 bits"):
            built(log, SMALL, [("ann", NOW)], plan=plan)
    # Both sides of such a sum may lie in it, as long as what is left is small enough.
    less = log.plus(Event("ann", NOW - 3, amount=-most))
    assert row(less)["money"] == most / 100


def test_too_little_memory_is_told(tmp_path: Path) -> None:
    log = Log(tuple(Event(f"c{n}", NOW - n) for n in range(20_000)))
    with (
        log.connection() as connection,
        pytest.raises(TooLittleMemory) as caught,
        memory_within(connection, 1_000_000, tmp_path),
    ):
        asked = ask(connection, "UTC", as_of=[at(NOW)])
        list(stream_features(connection, SMALL, log.schema(), asked))
    assert "--memory" in caught.value.fix
    assert not list(tmp_path.iterdir())
