"""Labels say what a plain reading of the definition says, on random and on planted logs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit import errors
from churnkit.data.event_tables import CUSTOMERS, EVENTS, SUBSCRIPTIONS
from churnkit.data.samples.locate import cdnow_path
from churnkit.domain.events import US_PER_DAY, LogSchema
from churnkit.features.labels import label_rates, label_table, labels_at
from churnkit.features.panel import Calendar, panel
from churnkit.settings.churn import ChurnTable
from tests.data.event_logs import import_into, log_settings

BERLIN = ZoneInfo("Europe/Berlin")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATE = 10**17


def us(*when: int, zone: ZoneInfo = BERLIN) -> int:
    """A wall-clock time as microseconds in UTC."""
    return (datetime(*when, tzinfo=zone) - EPOCH) // timedelta(microseconds=1)  # type: ignore[misc, arg-type]


def later(moment: int, days: int) -> int:
    """The same wall clock so many days later, by the standard library."""
    wall = (EPOCH + timedelta(microseconds=moment)).astimezone(BERLIN) + timedelta(days=days)
    return (wall.astimezone(UTC) - EPOCH) // timedelta(microseconds=1)


def calendar(
    first: int = 0, known_until: int = LATE, *, delay: float = 0, now: int = LATE, **churn: object
) -> Calendar:
    log = LogSchema(
        zone="Europe/Berlin", first_us=first, last_us=known_until, known_until_us=known_until
    )
    return Calendar(ChurnTable.model_validate(churn), log, delay, now)


def labels_of(
    churn: Calendar,
    as_ofs: Sequence[int],
    events: Sequence[tuple[int, int, int, str]] = (),
    periods: Sequence[tuple[int, int, int | None, int]] = (),
) -> dict[tuple[int, int], bool]:
    """Write the tables by hand and read the labels."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.duckdb"
        with duckdb.connect(str(path)) as db:
            db.execute("create table churnkit_meta as select 'format' as key, '1' as value")
            for table, columns in (
                (EVENTS, "t_us bigint, known_us bigint, event_type varchar"),
                (SUBSCRIPTIONS, "start_us bigint, end_us bigint, known_us bigint"),
            ):
                db.execute(f"create table {table} (customer_no int, {columns})")
            if events:
                db.executemany(f"insert into {EVENTS} values (?, ?, ?, ?)", list(events))
            if periods:
                db.executemany(f"insert into {SUBSCRIPTIONS} values (?, ?, ?, ?)", list(periods))
            numbers = sorted({row[0] for row in (*events, *periods)})
            db.execute(f"create table {CUSTOMERS} (customer_no int, customer_id varchar)")
            if numbers:
                rows = [(number, f"c{number}") for number in numbers]
                db.executemany(f"insert into {CUSTOMERS} values (?, ?)", rows)
        table = label_table(path, churn, as_ofs)
        asked = [(number, as_of) for number in (*numbers, -1) for as_of in dict.fromkeys(as_ofs)]
        singly = labels_at(
            path,
            churn,
            [f"c{number}" for number, _ in asked],
            np.array([as_of for _, as_of in asked], dtype=np.int64),
        )
    # Asked one by one, at moments of their own, customers have the same labels.
    assert {
        pair: label for pair, label in zip(asked, singly, strict=True) if label is not None
    } == {(row["customer_no"], row["as_of_us"]): row["churned"] for row in table.to_pylist()}
    found = {(row["customer_no"], row["as_of_us"]): row["churned"] for row in table.to_pylist()}
    assert len(found) == table.num_rows  # one row per customer and date
    return found


# --- non-contractual ----------------------------------------------------------------------


def test_bounds_are_local_days_open_at_the_start_and_closed_at_the_end() -> None:
    """Planted at each bound, on both sides; the window spans the clock change of March 2024."""
    as_of = us(2024, 3, 1)
    churn = calendar(lead_days=10, horizon_days=30, eligible_days=60)
    opens, closes, since = us(2024, 3, 11), us(2024, 4, 10), us(2024, 1, 1)
    assert closes - opens == 30 * US_PER_DAY - 3_600_000_000  # the day of 23 hours
    base = [(c, us(2024, 2, 20), us(2024, 2, 20), "buy") for c in range(1, 7)]
    planted = [
        (1, opens, opens, "buy"), (2, opens + 1, opens + 1, "buy"),
        (3, closes, closes, "buy"), (4, closes + 1, closes + 1, "buy"),
        (5, as_of + 1, as_of + 1, "buy"),
        (7, as_of, as_of, "buy"), (8, as_of + 1, as_of + 1, "buy"),
        (9, since, since, "buy"), (10, since + 1, since + 1, "buy"),
        (11, us(2024, 2, 20), as_of + 1, "buy"), (12, us(2024, 2, 20), as_of, "buy"),
        (3, closes, closes, "buy"), (3, closes, closes, "buy"),
    ]  # fmt: skip
    found = labels_of(churn, [as_of], base + planted)
    assert {customer: churned for (customer, _), churned in found.items()} == {
        1: True, 2: False, 3: False, 4: True, 5: True, 6: True, 7: True, 10: True, 12: True
    }  # fmt: skip


def test_autumn_has_a_day_of_25_hours() -> None:
    as_of = us(2024, 10, 27)
    churn = calendar(horizon_days=1)
    closes = us(2024, 10, 28)
    assert closes - as_of == 25 * 3_600_000_000
    events = [(c, as_of - 5, as_of - 5, "x") for c in (1, 2)]
    found = labels_of(churn, [as_of], [*events, (1, closes, closes, "x"), (2, closes + 1, 0, "x")])
    assert found == {(1, as_of): False, (2, as_of): True}


def test_only_the_types_that_are_activity_count() -> None:
    as_of = us(2024, 1, 1)
    events = [
        (1, as_of - 1, as_of - 1, "buy"), (1, as_of + 1, as_of + 1, "mail"),
        (2, as_of - 1, as_of - 1, "mail"), (2, as_of + 1, as_of + 1, "o'clock"),
        (3, as_of - 1, as_of - 1, "o'clock"), (3, as_of + 1, as_of + 1, "buy"),
    ]  # fmt: skip
    churn = calendar(horizon_days=5, activity=("buy", "o'clock"))
    assert labels_of(churn, [as_of], events) == {(1, as_of): True, (3, as_of): False}


HOURS = st.integers(0, 24 * 70)
START = us(2024, 3, 1)


def _at(hour: int) -> int:
    return START + hour * 3_600_000_000


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(1, 4), HOURS, st.integers(0, 200), st.sampled_from("ab")),
        max_size=40,
    ),
    st.lists(st.integers(0, 40), min_size=1, max_size=3, unique=True),
    st.integers(0, 5), st.integers(1, 20), st.none() | st.integers(1, 30),
    st.sampled_from([(), ("a",)]),
)  # fmt: skip
def test_non_contractual_is_a_plain_reading(
    logged: list[tuple[int, int, int, str]],
    days: list[int],
    lead: int,
    horizon: int,
    eligible: int | None,
    activity: tuple[str, ...],
) -> None:
    events = [(c, _at(h), _at(h + late), kind) for c, h, late, kind in logged]
    as_ofs = [later(START, day) for day in days]
    churn = calendar(
        lead_days=lead, horizon_days=horizon, eligible_days=eligible, activity=activity
    )
    expected = {}
    for as_of in as_ofs:
        since = -LATE if eligible is None else later(as_of, -eligible)
        opens, closes = later(as_of, lead), later(as_of, lead + horizon)
        counted = [e for e in events if not activity or e[3] in activity]
        for customer in {c for c, t, known, _ in counted if since < t <= as_of and known <= as_of}:
            expected[customer, as_of] = not any(
                opens < t <= closes for c, t, _, _ in counted if c == customer
            )
    assert labels_of(churn, as_ofs, events) == expected


# --- contractual --------------------------------------------------------------------------


def test_renewals_within_grace_belong_to_the_period() -> None:
    """Grace is counted on the wall clock: three days over the clock change are 71 hours."""
    as_of, end = us(2024, 3, 1), us(2024, 3, 30)
    within, after = us(2024, 4, 2), us(2024, 4, 2) + 1
    assert within - end == 71 * 3_600_000_000
    start = us(2024, 1, 1)
    periods: list[tuple[int, int, int | None, int]] = [
        (1, start, end, start),
        (2, start, end, start), (2, within, None, within),
        (3, start, end, start), (3, after, None, after),
        (4, start, None, start),
        (5, start, as_of, start),
        (6, start, as_of + 1, start),
        (7, as_of, end, as_of), (8, as_of + 1, end, as_of + 1),
        (9, start, end, as_of + 1),
        (10, start, us(2024, 4, 30), start), (11, start, us(2024, 4, 30) + 1, start),
        (12, start, None, start), (12, start, end, end),
    ]  # fmt: skip
    churn = calendar(kind="contractual", horizon_days=60, grace_days=3)
    found = labels_of(churn, [as_of], periods=periods)
    assert {customer: churned for (customer, _), churned in found.items()} == {
        1: True, 2: False, 3: True, 4: False, 6: True, 7: True, 10: True, 11: False, 12: True
    }  # fmt: skip


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 3), st.integers(0, 60), st.none() | st.integers(0, 30),
            st.integers(0, 20),
        ),
        max_size=14,
    ),
    st.lists(st.integers(0, 50), min_size=1, max_size=3, unique=True),
    st.integers(0, 5), st.integers(1, 20), st.integers(0, 6),
)  # fmt: skip
def test_contractual_is_a_plain_reading(
    told: list[tuple[int, int, int | None, int]],
    days: list[int],
    lead: int,
    horizon: int,
    grace: int,
) -> None:
    periods = [
        (c, later(START, s), None if n is None else later(START, s + n), later(START, s + late))
        for c, s, n, late in told
    ]
    as_ofs = [later(START, day) for day in days]
    churn = calendar(kind="contractual", lead_days=lead, horizon_days=horizon, grace_days=grace)
    expected = {}
    for as_of in as_ofs:
        opens, closes = later(as_of, lead), later(as_of, lead + horizon)
        for customer in {c for c, *_ in periods}:
            own = [p for p in periods if p[0] == customer]
            known = _versions([p for p in own if p[3] <= as_of])
            if not any(start <= as_of < end for start, end in known.items()):
                continue
            chains: list[list[int]] = []
            for start, end in sorted(_versions(own).items()):
                if chains and start <= later(chains[-1][1], grace):
                    chains[-1][1] = max(chains[-1][1], end)
                else:
                    chains.append([start, end])
            ends = [end for start, end in chains if start <= as_of < end]
            expected[customer, as_of] = bool(ends) and opens < ends[0] <= closes
    assert labels_of(churn, as_ofs, periods=periods) == expected


def _versions(periods: Sequence[tuple[int, int, int | None, int]]) -> Mapping[int, int]:
    held: dict[int, tuple[int, int]] = {}
    for _, start, end, known in periods:
        version = (known, FAR if end is None else end)
        held[start] = max(held.get(start, version), version)
    return {start: end for start, (_, end) in held.items()}


FAR = us(2900, 1, 1)


# --- matured, panel -------------------------------------------------------------------------


def test_matured_to_the_microsecond() -> None:
    as_of = us(2024, 3, 1)
    told = {"lead_days": 5, "horizon_days": 20, "grace_days": 10}
    decided = us(2024, 4, 5) + US_PER_DAY // 2
    for known, now, expected in (
        (decided, LATE, True), (decided - 1, LATE, False),
        (LATE, decided, True), (LATE, decided - 1, False),
    ):  # fmt: skip
        churn = calendar(known_until=known, now=now, delay=0.5, **told)
        assert churn.matured(as_of) is expected
        if not expected:
            with pytest.raises(errors.LabelsNotMatured):
                labels_of(churn, [as_of])


def test_other_facts_that_are_newer_do_not_mature_labels() -> None:
    """Attributes of today say nothing of purchases since the log ended."""
    events, periods, newest = us(2024, 6, 1), us(2024, 5, 1), us(2025, 1, 1)
    log = LogSchema(
        zone="Europe/Berlin", first_us=0, known_until_us=newest,
        events_until_us=events, subscriptions_until_us=periods,
    )  # fmt: skip
    for kind, until in (("non_contractual", events), ("contractual", periods)):
        churn = Calendar(ChurnTable.model_validate({"kind": kind}), log, 0.0, LATE)
        assert churn.known_until_us == until


@settings(max_examples=80)
@given(st.integers(40, 900), st.integers(0, 20), st.integers(1, 90), st.integers(0, 20),
       st.integers(1, 60), st.integers(0, 40), st.sampled_from([0.0, 0.3, 5.0]))  # fmt: skip
def test_a_panel_never_learns_what_was_unknown_at_the_test_date(
    span: int, lead: int, horizon: int, grace: int, stride: int, history: int, delay: float
) -> None:
    churn = calendar(
        START, later(START, span) + 12_345, delay=delay, lead_days=lead, horizon_days=horizon,
        grace_days=grace, stride_days=stride, history_days=history,
    )  # fmt: skip
    try:
        chosen = panel(churn)
    except errors.LabelsNotMatured:
        assert span < 2 * (lead + horizon + grace + delay) + history + 3
        return
    last = chosen.dates_us[-1]
    assert churn.matured(last)
    assert not churn.matured(later(last, 1))
    tests = (chosen.test_us, *chosen.later_us)
    assert all(later(one, stride) == next_one for one, next_one in pairwise(tests))
    assert len(tests) <= max(1, len(chosen.train_us))
    assert all(churn.window(as_of).decided_us <= chosen.test_us for as_of in chosen.train_us)
    assert churn.window(later(chosen.train_us[-1], 1)).decided_us > chosen.test_us
    assert min(chosen.train_us) >= later(START, history)
    for as_of in chosen.dates_us:
        local = (EPOCH + timedelta(microseconds=as_of)).astimezone(BERLIN)
        assert (local.hour, local.minute) == (0, 0)


def test_a_panel_by_name() -> None:
    known = us(2024, 12, 31)
    good = calendar(START, known, horizon_days=60, as_of=("2024-06-01", "2024-09-01"))
    assert panel(good).train_us == (us(2024, 6, 1),)
    for dates in (("2024-06-01", "2024-12-01"), ("2024-08-01", "2024-09-01"), ("2024-09-01",)):
        with pytest.raises(errors.LabelsNotMatured):
            panel(calendar(START, known, horizon_days=60, as_of=dates))


# --- the real log ------------------------------------------------------------------------------


def test_cdnow(tmp_path: Path) -> None:
    """Counted by hand from the file: as of 1998-01-01 with 180 days."""
    told = log_settings(
        customer_id="customer_id", event_time="date", event_type="", time_format="yyyymmdd",
        values={"dollar_value": 2},
    )  # fmt: skip
    done = import_into(tmp_path, told, cdnow_path())
    churn = Calendar(ChurnTable(horizon_days=180), done.log, 0.0, LATE)
    utc = ZoneInfo("UTC")
    test, known = us(1998, 1, 1, zone=utc), us(1998, 6, 30, zone=utc)
    assert churn.known_until_us == known
    assert panel(churn).dates_us[-1] == test
    bought: dict[str, list[str]] = {}
    for line in cdnow_path().read_text().splitlines()[1:]:
        customer, day, *_ = line.split()
        bought.setdefault(customer, []).append(day)
    first, last = "19980101", "19980630"
    churned = sum(not any(first < day <= last for day in days) for days in bought.values())
    within = sum(any("19970705" < day <= first for day in days) for days in bought.values())
    database = tmp_path / "store" / "churnkit.duckdb"
    recent = Calendar(ChurnTable(horizon_days=180, eligible_days=180), done.log, 0.0, LATE)
    ((rate,), (other,)) = label_rates(database, [churn, recent], [[test], [test]])
    assert (rate.n_eligible, rate.n_churned) == (23_570, churned)
    assert other.n_eligible == within
    interval = rate.interval()
    assert interval is not None and interval[0] < churned / 23_570 < interval[1]
    later_date = us(1998, 1, 2, zone=utc)
    assert label_rates(database, [churn], [[later_date]])[0][0].n_churned is None
    assert date(1998, 1, 1) + timedelta(days=180) == date(1998, 6, 30)
