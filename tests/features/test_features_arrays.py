"""The two plans of DuckDB against each other, on a log of many customers, blocks and parts."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from churnkit.domain.events import US_PER_DAY
from churnkit.features import array_plan, event_reader
from churnkit.features.definitions import Aggregate, EventFeature, Feature, FeatureSet, Ratio
from churnkit.features.moment import Moment
from churnkit.features.offline import Plan, choose_plan, stream_features
from churnkit.features.requests import ask
from churnkit.features.timeline import Timeline
from churnkit.features.zone_days import days_go_back
from tests.features.event_logs import Event, Log, at, us

LAST = us(2024, 6, 30, 12)
MOMENTS = [LAST - back * US_PER_DAY for back in (0, 1, 30, 33)] + [LAST - US_PER_DAY // 4]


def make_log(n_customers: int, *, n_words: int, share_late: float, seed: int = 0) -> Log:
    """Events in no order, many of them at whole days, some known much later."""
    rng = np.random.default_rng(seed)
    n = n_customers * 12
    ages = rng.integers(-5, 200, n) * US_PER_DAY + rng.choice([0, 1, US_PER_DAY // 2], n)
    late = np.where(rng.random(n) < share_late, rng.integers(1, 60, n) * US_PER_DAY, 0)
    events = []
    for who, age, lag, kind, amount, word in zip(
        rng.gamma(0.5, 0.3, n).clip(0, 0.999),
        ages,
        late,
        rng.choice(["buy", "login", "it's"], n),
        rng.integers(-500, 10_000, n),
        rng.integers(0, n_words + 1, n),
        strict=True,
    ):
        t_us = LAST - int(age)
        events.append(
            Event(
                f"c{int(who * n_customers)}",
                t_us,
                str(kind),
                t_us + int(lag),
                None if amount % 7 == 0 else int(amount),
                None if word == n_words else f"word {word}",
            )
        )
    return Log(tuple(events), customers=tuple(f"c{one}" for one in range(n_customers)))


def _features() -> FeatureSet:
    kinds: tuple[tuple[Aggregate, str], ...] = (
        ("count", ""), ("sum", "amount"), ("mean", "amount"), ("min", "amount"),
        ("max", "amount"), ("distinct", "channel"), ("active_days", ""), ("recency_days", ""),
        ("since_first_days", ""), ("mean_gap_days", ""),
    )  # fmt: skip
    listed: list[Feature] = [
        EventFeature(
            name=f"{aggregate}_{window or 'ever'}_{'_'.join(types)}".rstrip("_").replace("'", ""),
            aggregate=aggregate,
            column=column,
            window_days=window,
            event_types=types,
        )
        for aggregate, column in kinds
        for window in (1, 30, None)
        for types in ((), ("buy",), ("login", "it's"))
    ]
    return FeatureSet(
        features=(*listed, Ratio(name="ratio", numerator="sum_30", denominator="count_ever_buy"))
    )


FEATURES = _features()


def table(log: Log, plan: Plan, customers: list[str] | None = None) -> pa.Table:
    with log.connection() as connection:
        ids = None if customers is None else pa.array(customers)
        asked = ask(connection, "UTC", as_of=[at(moment) for moment in MOMENTS], customers=ids)
        stream = stream_features(
            connection, FEATURES, log.schema(), asked, plan=plan, memory_bytes=200_000
        )
        found = pa.Table.from_batches(list(stream))
    return found.sort_by([("as_of", "ascending"), ("customer_id", "ascending")])


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many parts, blocks and corrections, as a log of millions of customers has."""
    monkeypatch.setattr(array_plan, "_CELLS", 100)
    monkeypatch.setattr(array_plan, "_FEWEST_CUSTOMERS", 7)
    monkeypatch.setattr(array_plan, "_ROWS", 50)
    monkeypatch.setattr(array_plan, "_AGAIN", 40)
    monkeypatch.setattr(event_reader, "_SLICES", 11)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    ("n_words", "share_late"),
    [(5, 0.0), (5, 0.3), (150, 0.3), (5, 1.0)],
    ids=["nothing late", "some late", "many words", "all late"],
)
def test_both_plans_give_the_same_rows(n_words: int, share_late: float) -> None:
    log = make_log(150, n_words=n_words, share_late=share_late)
    found, wanted = table(log, "arrays"), table(log, "statement")
    assert found.num_rows == 150 * len(MOMENTS)
    for name in wanted.column_names:
        assert found[name].to_pylist() == wanted[name].to_pylist(), name


@pytest.mark.usefixtures("small_pieces")
def test_some_customers_and_unknown_ones_are_asked_for() -> None:
    log = make_log(60, n_words=3, share_late=0.2)
    some = [f"c{one}" for one in range(0, 60, 7)] + ["nobody", "c7"]
    found, wanted = table(log, "arrays", some), table(log, "statement", some)
    assert set(found["customer_id"].to_pylist()) == set(some)
    assert found.num_rows == len(set(some)) * len(MOMENTS)
    assert found.equals(wanted)


@pytest.mark.usefixtures("small_pieces")
def test_a_sampled_log_gives_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the customers are cut follows from a sample; nobody may be lost by that."""
    log = make_log(60, n_words=3, share_late=0.2)
    wanted = table(log, "arrays")
    monkeypatch.setattr(event_reader, "_SAMPLED", 10)
    assert table(log, "arrays").equals(wanted)


def test_arrays_are_for_many_customers_who_share_moments() -> None:
    log = make_log(2_100, n_words=3, share_late=0.0)
    one = [at(LAST)]
    with log.connection() as connection:

        def plan(schema_zone: str = "UTC", features: FeatureSet = FEATURES, **asked: object) -> str:
            schema = log.schema().model_copy(update={"zone": schema_zone})
            return choose_plan(features, schema, ask(connection, schema_zone, **asked))  # type: ignore[arg-type]

        assert plan(as_of=one) == "arrays"
        assert plan(as_of=one, customers=pa.array(["c1"])) == "statement"
        rng = np.random.default_rng(0)
        own = pa.array(LAST - rng.integers(0, 10**12, 2_100), pa.timestamp("us", tz="UTC"))
        names = pa.array([f"c{n}" for n in range(2_100)])
        assert plan(pairs=pa.table({"customer_id": names, "as_of": own})) == "statement"


def test_days_went_back_in_newfoundland_only() -> None:
    """At 00:01 clocks went back to 23:01: a day returned after the next had begun."""
    first, last = us(2009, 1, 1), us(2010, 12, 31)
    assert days_go_back("America/St_Johns", first, last)
    assert not days_go_back("America/St_Johns", us(2020, 1, 1), us(2022, 1, 1))
    for zone in ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata"):
        assert not days_go_back(zone, first, last)
    old = Log((Event("ann", first),), zone="America/St_Johns", customers=tuple(map(str, range(9))))
    schema = old.schema()
    with old.connection() as connection:
        dates = [datetime(2009, 12, 1, n, n2, tzinfo=UTC) for n in range(24) for n2 in range(60)]
        asked = ask(connection, schema.zone, as_of=dates[:300])
        assert asked.n_rows > 2_000
        assert choose_plan(FEATURES, schema, asked) == "statement"


def test_a_timeline_cuts_where_windows_begin_and_moments_lie() -> None:
    moments = [Moment(10 * US_PER_DAY + 5, 10), Moment(12 * US_PER_DAY, 12)]
    line = Timeline.of(moments, [1, 3])
    rng = np.random.default_rng(0)
    t_us = rng.integers(6 * US_PER_DAY, 13 * US_PER_DAY, 5_000)
    t_us[:3] = [10 * US_PER_DAY + 5, 10 * US_PER_DAY + 6, 12 * US_PER_DAY]
    day = (t_us // US_PER_DAY).astype(np.int32)
    before = np.searchsorted([moment.as_of_us for moment in moments], t_us)
    cells = line.cells(day, before)
    for at_, moment in enumerate(moments):
        for window in (1, 3, None):
            counts = (t_us <= moment.as_of_us) & (
                True if window is None else day > moment.as_of_day - window
            )
            inside = (cells >= line.first(window)[at_]) & (cells <= line.last[at_])
            assert (counts == inside).all()
