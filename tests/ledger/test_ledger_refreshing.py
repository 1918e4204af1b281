"""What is made of the predictions: every one counts exactly once, whenever it commits."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churnkit.domain.predictions import PredictionRow
from churnkit.ledger import new_rows, refreshing
from churnkit.ledger.engine import make_engine
from churnkit.ledger.refreshing import Refresh, hold_refreshes, read_figures, refresh
from churnkit.ledger.store import Ledger
from churnkit.ledger.tables import latest_scores, score_minutes

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
NONE = timedelta(0)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


def _row(
    name: str, customer: str, seconds: float = 0.0, p: float = 0.25, **more: object
) -> PredictionRow:
    band = "high" if p >= 0.6 else "medium" if p >= 0.3 else "low"
    return PredictionRow.model_validate(
        {
            "prediction_id": name,
            "customer_id": customer,
            "model_version": "v1",
            "probability": p,
            "risk_band": band,
            "made_at": NOW + timedelta(seconds=seconds),
            **more,
        }
    )


def _both(found: Refresh) -> int:
    found.latest()
    return sum(figures.n for figures in found.figures(NOW).values())


def _take(ledger: Ledger) -> int | None:
    return refresh(ledger.engine, _both, now=NOW, every=NONE)


def _latest(ledger: Ledger) -> dict[str, tuple[str, float]]:
    table = latest_scores
    with ledger.reading() as connection:
        query = sa.select(table.c.customer_id, table.c.prediction_id, table.c.probability)
        return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


def _volume(ledger: Ledger) -> int:
    with ledger.reading() as connection:
        return connection.execute(sa.select(sa.func.sum(score_minutes.c.n))).scalar() or 0


def test_the_latest_score_of_each_customer_is_kept(ledger: Ledger) -> None:
    ledger.record_predictions(
        [_row("1", "a", 0, 0.1), _row("2", "b", 1, 0.2), _row("3", "a", 2, 0.7)]
    )
    assert _take(ledger) == 3
    assert _latest(ledger) == {"a": ("3", 0.7), "b": ("2", 0.2)}
    # An older one that comes late changes nothing; the shadow of a challenger neither.
    ledger.record_predictions(
        [_row("4", "a", 1, 0.9), _row("5", "b", 9, 0.9, shadow_of="2"), _row("6", "c", 1, 0.4)]
    )
    assert _take(ledger) == 3
    assert _latest(ledger) == {"a": ("3", 0.7), "b": ("2", 0.2), "c": ("6", 0.4)}
    assert _take(ledger) == 0
    assert _volume(ledger) == 6


def test_figures_are_of_minutes_versions_and_variants(ledger: Ledger) -> None:
    old = (NOW - timedelta(days=3)).isoformat()
    ledger.record_predictions(
        [
            _row("1", "a", 0, 0.0, unknown_categories=("x",)),
            _row("2", "b", 1, 0.05),
            _row("3", "c", 2, 1.0),
            _row("4", "d", 60, 0.999),
            _row("5", "e", 1, 0.5, model_version="v2", variant="challenger", shadow_of="2"),
            _row("6", "f", 0, 0.31, made_at=old),
        ]
    )
    _take(ledger)
    with ledger.reading() as connection:
        rows = connection.execute(sa.select(score_minutes)).mappings().all()
    found = {
        (row["minute"].isoformat(), row["model_version"], row["variant"], row["shadow"]): (
            read_figures(row)
        )
        for row in rows
    }
    first = found["2026-03-01T12:30:00+00:00", "v1", "champion", False]
    assert (first.n, first.n_unknown, first.total) == (3, 1, pytest.approx(1.05))
    assert first.bands == {"low": 2, "high": 1}
    assert {i: n for i, n in enumerate(first.bins) if n} == {0: 1, 1: 1, 19: 1}
    assert found["2026-03-01T12:31:00+00:00", "v1", "champion", False].bins[19] == 1
    assert found["2026-03-01T12:30:00+00:00", "v2", "challenger", True].n == 1
    # Older than two days: by the hour.
    assert found["2026-02-26T12:00:00+00:00", "v1", "champion", False].n == 1
    assert len(found) == 4


def test_a_transaction_that_commits_late_is_not_passed_over(postgres_url: str) -> None:
    with Ledger.open(postgres_url) as ledger, ledger.recording() as slow:
        slow.add([_row("1", "a", 0)])
        ledger.record_predictions([_row("2", "b", 5)])
        assert _take(ledger) == 1
        ledger.record_predictions([_row("3", "c", 6)])
        assert _take(ledger) == 1
        slow.add([_row("4", "d", 7)])
    with Ledger.open(postgres_url) as ledger:
        assert _take(ledger) == 2
        assert set(_latest(ledger)) == {"a", "b", "c", "d"}
        assert _take(ledger) == 0


def test_what_was_rolled_back_never_counts(ledger: Ledger) -> None:
    with pytest.raises(KeyError), ledger.recording() as recording:
        recording.add([_row("1", "a")])
        raise KeyError
    ledger.record_predictions([_row("2", "b")])
    assert _take(ledger) == 1
    assert set(_latest(ledger)) == {"b"}


def test_a_refresh_that_fails_leaves_everything_for_the_next(ledger: Ledger) -> None:
    ledger.record_predictions([_row("1", "a")])

    def dies(found: Refresh) -> None:
        _both(found)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh(ledger.engine, dies, now=NOW, every=NONE)
    assert (_latest(ledger), _volume(ledger)) == ({}, 0)
    assert _take(ledger) == 1


def test_many_writers_and_refreshers_count_each_prediction_once(ledger_url: str) -> None:
    rounds, writers = (25, 3) if ledger_url.startswith("sqlite") else (60, 4)
    stop = threading.Event()
    with Ledger.open(ledger_url) as ledger:

        def write(number: int) -> None:
            for i in range(rounds):
                ledger.record_predictions(
                    [
                        _row(f"{number}-{i}-{j}", f"c{(number + i + j) % 40}", i, j / 8)
                        for j in range(7)
                    ]
                )

        def look() -> None:
            while not stop.is_set():
                _take(ledger)

        lookers = [threading.Thread(target=look) for _ in range(2)]
        threads = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
        for thread in (*lookers, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        for thread in lookers:
            thread.join()
        _take(ledger)
        assert _volume(ledger) == rounds * writers * 7
        with ledger.reading() as connection:
            query = sa.text(
                "select customer_id, prediction_id from (select customer_id, prediction_id, "
                "row_number() over (partition by customer_id order by made_at desc, "
                "prediction_id desc) as n from predictions) x where n = 1"
            )
            expected = {row[0]: row[1] for row in connection.execute(query)}
        assert {name: found[0] for name, found in _latest(ledger).items()} == expected


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.lists(
        st.lists(
            st.tuples(st.sampled_from("abcd"), st.integers(0, 90), st.integers(0, 20)), max_size=6
        ),
        max_size=5,
    )
)
def test_in_any_order_it_equals_what_is_made_of_all_rows(
    groups: list[list[tuple[str, int, int]]], postgres_server: str, ledger: Ledger
) -> None:
    with ledger.writing() as connection:
        for name in ("predictions", "latest_scores", "score_minutes", "refreshes"):
            connection.execute(sa.text(f"delete from {name}"))
    rows: list[PredictionRow] = []
    for group in groups:
        new = [
            _row(f"{len(rows) + i:03d}", customer, seconds, p / 20)
            for i, (customer, seconds, p) in enumerate(group)
        ]
        rows += new
        ledger.record_predictions(new)
        assert _take(ledger) == len(new)
    newest = {
        customer: max(
            (row.made_at, row.prediction_id) for row in rows if row.customer_id == customer
        )[1]
        for customer in {row.customer_id for row in rows}
    }
    assert {name: found[0] for name, found in _latest(ledger).items()} == newest
    with ledger.reading() as connection:
        found = [read_figures(r) for r in connection.execute(sa.select(score_minutes)).mappings()]
    bands = Counter(row.risk_band for row in rows)
    assert sum((Counter(f.bands) for f in found), Counter()) == bands


def test_an_erased_customer_does_not_come_back(ledger: Ledger) -> None:
    ledger.record_predictions([_row("1", "a"), _row("2", "b")])
    _take(ledger)
    with ledger.writing() as connection:
        hold_refreshes(connection)
        for table in ("predictions", "latest_scores"):
            connection.execute(sa.text(f"delete from {table} where customer_id = 'b'"))
        if ledger.engine.dialect.name == "postgresql":
            assert _take(ledger) is None  # a refresh could have read the predictions
    # On SQLite the number of the last row is given again: the look starts anew.
    ledger.record_predictions([_row("3", "c")])
    _take(ledger)
    assert set(_latest(ledger)) == {"a", "c"}
    ledger.record_predictions([_row("4", "d")])
    _take(ledger)
    assert set(_latest(ledger)) == {"a", "c", "d"}


def test_sqlite_is_taken_in_parts(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_rows, "_SQLITE_ROWS", 10)
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite") as ledger:
        ledger.record_predictions([_row(f"{i:02d}", f"c{i % 7}", i) for i in range(25)])
        assert [_take(ledger) for _ in range(4)] == [10, 10, 5, 0]
        assert len(_latest(ledger)) == 7


def test_row_numbers_that_are_given_anew_confuse_nothing(tmp_path: object) -> None:
    with Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite") as ledger:
        ledger.record_predictions([_row(f"{i:02d}", f"c{i}", i) for i in range(10)])
        assert _take(ledger) == 10
        with ledger.writing() as connection:
            connection.execute(sa.text("delete from predictions where prediction_id < '05'"))
        engine = ledger.engine.execution_options(isolation_level="AUTOCOMMIT")
        raw = engine.raw_connection()
        raw.cursor().execute("vacuum")
        raw.close()
        assert _take(ledger) == 0
        ledger.record_predictions([_row(f"{i:02d}", f"c{i}", i) for i in range(10, 13)])
        assert _take(ledger) == 3
        assert _volume(ledger) == 13
        # Nothing tells what was seen: all rows are taken, and none is counted twice.
        with ledger.writing() as connection:
            connection.execute(sa.text("delete from predictions where prediction_id = '12'"))
        ledger.record_predictions([_row("13", "c13", 13)])
        _take(ledger)
        assert "c13" in _latest(ledger)
        assert _volume(ledger) == 13
        ledger.record_predictions([_row("14", "c14", 14)])
        assert _take(ledger) == 1


def test_a_young_refresh_is_young_enough(ledger: Ledger) -> None:
    every = timedelta(seconds=2)
    ledger.record_predictions([_row("1", "a")])
    for seconds, expected in ((0, 1), (1.9, None), (2, 0)):
        now = NOW + timedelta(seconds=seconds)
        assert refresh(ledger.engine, _both, now=now, every=every) == expected
    assert refreshing.refreshed_at(ledger.engine) == NOW + every


def test_a_database_that_was_restored_elsewhere_is_read_anew(postgres_url: str) -> None:
    with Ledger.open(postgres_url) as ledger:
        ledger.record_predictions([_row("1", "a")])
        _take(ledger)
        with ledger.writing() as connection:  # numbers of another server, far ahead of this one
            connection.execute(
                sa.text(
                    'update refreshes set position = \'{"snapshot": "9999999999:9999999999:"}\''
                )
            )
        ledger.record_predictions([_row("2", "b")])
        _take(ledger)
        assert set(_latest(ledger)) == {"a", "b"}
        ledger.record_predictions([_row("3", "c")])
        assert _take(ledger) == 1
        assert set(_latest(ledger)) == {"a", "b", "c"}


def test_the_index_is_used(postgres_url: str) -> None:
    with Ledger.open(postgres_url) as ledger:
        engine = make_engine(postgres_url)
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    "insert into predictions (prediction_id, customer_id, model_version, "
                    "probability, risk_band, variant, made_at, reasons, written_in) "
                    "select 'p' || i, 'c' || i, 'v1', 0.5, 'low', 'champion', now(), '[]', i "
                    "from generate_series(1, 60000) i"
                )
            )
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("vacuum analyze predictions"))
            plan = connection.execute(
                sa.text("explain select * from predictions p where p.written_in >= 59000")
            ).scalars()
            assert "ix_predictions_written_in" in "\n".join(plan)
        engine.dispose()
        assert ledger.predictions(limit=1)
