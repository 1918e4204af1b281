"""A look at a rollout counts each customer once, however it is cut, and reads what came only."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from churnkit.domain.predictions import PredictionRow
from churnkit.domain.rollouts import RolloutFailure
from churnkit.ledger import rollout_arrivals
from churnkit.ledger.rollout_arms import Period, arm_counts
from churnkit.ledger.rollout_arrivals import (
    earliest_moment,
    exposed_customers,
    first_requests,
    first_scores,
    part_end,
)
from churnkit.ledger.rollouts import insert_failures
from churnkit.ledger.store import Ledger
from churnkit.ledger.tables import rollout_overrides

START = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


@dataclass(frozen=True)
class Request:
    """A customer's request, as the test's own counting sees it."""

    customer: str
    at: int
    variant: str
    paired: bool
    failed: str | None
    probability: float


def _fill(ledger: Ledger, rng: random.Random, n: int) -> list[Request]:
    """Requests with ties, some before the rollout, of another one, or without a pair."""
    requests, rows, failures = [], [], []
    for number in range(n):
        rollout = rng.choice(["r1"] * 8 + ["r0", None])
        variant = rng.choice(["champion", "champion", "challenger"])
        failed = rng.choice([None] * 6 + ["champion", "challenger"])
        paired = failed is None and rng.random() < 0.7
        one = Request(f"c{rng.randrange(12)}", rng.randrange(40), variant, paired, failed,
                      rng.random())  # fmt: skip
        name = f"p{number:04}"
        given = {
            "customer_id": one.customer, "model_version": "v1", "risk_band": "low",
            "made_at": START + timedelta(seconds=one.at), "rollout_id": rollout,
        }  # fmt: skip
        rows.append({**given, "prediction_id": name, "variant": variant,
                     "probability": one.probability})  # fmt: skip
        if paired:
            other = "champion" if variant == "challenger" else "challenger"
            rows.append({**given, "prediction_id": f"s{number:04}", "variant": other,
                         "probability": 0.5, "shadow_of": name})  # fmt: skip
        if failed and rollout == "r1":
            failures.append(RolloutFailure(prediction_id=name, rollout_id="r1", variant=failed,
                                           at=given["made_at"], why="x"))  # fmt: skip
        if rollout == "r1":
            requests.append((one.at, name, one))
    ledger.record_predictions([PredictionRow.model_validate(row) for row in rows])
    with ledger.writing() as connection:
        insert_failures(connection, failures)
    return [one for _, _, one in sorted(requests, key=lambda found: found[:2])]


def _windows(rng: random.Random, first: int) -> list[tuple[int, int]]:
    cuts = sorted({first, 41, *rng.sample(range(first, 41), 4)})
    return list(pairwise(cuts))


def _at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize("seed", range(4))
def test_each_customer_counts_once_by_his_first_request(ledger: Ledger, seed: int) -> None:
    rng = random.Random(seed)
    requests = _fill(ledger, rng, 90)
    firsts: dict[str, Request] = {}
    for one in requests:
        firsts.setdefault(one.customer, one)
    for low, high in _windows(rng, -1):
        since, until = None if low < 0 else _at(low), _at(high)
        mine = [one for one in firsts.values() if low < one.at <= high]
        found = first_requests(ledger.engine, "r1", since=since, until=until)
        kinds = Counter(one.failed or ("both" if one.paired else "unpaired") for one in mine)
        assert kinds == Counter(
            both=found.both, champion=found.champion_failed, challenger=found.challenger_failed,
            unpaired=found.unpaired,
        )  # fmt: skip
        assert found.earliest == min((_at(one.at) for one in mine), default=None)
        came = [_at(one.at) for one in requests if low < one.at <= high]
        asked = earliest_moment(ledger.engine, "r1", since=since, until=until)
        assert asked == min(came, default=None)
        scores: list[float] = []
        for _, chunk in first_scores(ledger.engine, "r1", since=since, until=until):
            scores += chunk
        pairs = [0.5 for one in mine if one.paired]
        assert sorted(scores) == sorted([one.probability for one in mine] + pairs)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("answered_only", [False, True])
def test_a_stage_counts_its_customers_once(ledger: Ledger, seed: int, answered_only: bool) -> None:
    rng = random.Random(seed)
    requests = _fill(ledger, rng, 90)
    begin, counted = 10, 0
    for low, high in _windows(rng, begin):
        counted += exposed_customers(
            ledger.engine, "r1", begin=_at(begin), since=None if low == begin else _at(low),
            until=_at(high), answered_only=answered_only,
        )  # fmt: skip
        assert counted == len({
            one.customer for one in requests
            if begin <= one.at <= high and one.paired
            and (one.variant == "challenger" or not answered_only)
        })  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_the_arms_count_each_customer_once_in_a_period(ledger: Ledger, seed: int) -> None:
    rng = random.Random(seed)
    requests = _fill(ledger, rng, 90)
    with ledger.writing() as connection:
        connection.execute(
            sa.insert(rollout_overrides).values(rollout_id="r1", customer_id="c3", arm="champion")
        )
    earlier = Period(0.1, _at(2), _at(12))
    period = Period(0.3, _at(15), _at(40))
    for low, high in _windows(rng, 15):
        found = arm_counts(
            ledger.engine, "r1", period=period, earlier=[earlier], since=_at(low), until=_at(high)
        )
        expected: Counter[tuple[float, float, bool]] = Counter()
        for name in {one.customer for one in requests} - {"c3"}:
            mine = [one for one in requests if one.customer == name]
            here = [one for one in mine if 15 < one.at <= high]
            if here and all(one.at > low for one in here):
                before = {one.variant for one in mine if 2 < one.at <= 12}
                expected[
                    0.1 if "champion" in before else 0.0,
                    0.1 if "challenger" in before else 1.0,
                    any(one.variant == "challenger" for one in here),
                ] += 1
        assert expected == {(one.low, one.high, one.challenger): one.n for one in found}


def test_much_is_read_in_parts_that_leave_nothing_out(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = _fill(ledger, random.Random(1), 90)
    monkeypatch.setattr(rollout_arrivals, "PART_ROWS", 7)
    since, total, parts = None, 0, 0
    while since is None or since < _at(41):
        end = part_end(ledger.engine, "r1", since=since, until=_at(41))
        found = first_requests(ledger.engine, "r1", since=since, until=end)
        total += found.both + found.unpaired + found.champion_failed + found.challenger_failed
        assert since is None or end > since
        since, parts = end, parts + 1
    assert total == len({one.customer for one in requests})
    assert parts > 10


def _grown(connection: sa.Connection, rollout: str, first: int, last: int) -> None:
    for table, shadow in (("i", "null"), ("s", "'i' || i")):
        connection.execute(
            sa.text(
                "insert into predictions (prediction_id, customer_id, model_version, probability,"
                " risk_band, variant, made_at, reasons, rollout_id, shadow_of)"
                f" select '{table}' || i, 'customer-' || (i * 79 % 500), 'v1', 0.5, 'low',"
                " case when i * 79 % 500 < 100 then 'challenger' else 'champion' end,"
                " timestamptz '2026-01-02' + i * interval '1 second', '[]',"
                f" nullif(:rollout, ''), {shadow} from generate_series(:first, :last) i"
            ),
            {"rollout": rollout, "first": first, "last": last},
        )


@pytest.mark.parametrize("statistics", ["of long ago", "of now"])
def test_a_look_reads_what_came_and_not_what_was_there(postgres_url: str, statistics: str) -> None:
    """Whatever the database knows of its tables: once it took the rollout for a single row."""
    with Ledger.open(postgres_url) as ledger:
        engine = ledger.engine
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("alter table predictions set (autovacuum_enabled = false)"))
            _grown(connection, "", 1, 2_000)
            connection.execute(sa.text("analyze predictions"))
            _grown(connection, "r1", 2_001, 12_000)
            if statistics == "of now":
                connection.execute(sa.text("analyze predictions"))
        begin, since, until = _at(2_000), _at(11_000), _at(12_000)
        period = Period(0.2, _at(6_000), until)
        before = [Period(0.1, begin, _at(6_000))]
        looks: dict[str, Callable[[], Any]] = {
            "part": lambda: part_end(engine, "r1", since=since, until=until),
            "earliest": lambda: earliest_moment(engine, "r1", since=since, until=until),
            "first": lambda: first_requests(engine, "r1", since=since, until=until),
            "scores": lambda: list(first_scores(engine, "r1", since=since, until=until)),
            "arms": lambda: arm_counts(
                engine, "r1", period=period, earlier=before, since=since, until=until
            ),
            "stage": lambda: exposed_customers(
                engine, "r1", begin=begin, since=since, until=until, answered_only=True
            ),
        }
        for name, look in looks.items():
            for query, values in _asked(engine, look):
                rows = _rows_read(engine, query, values)
                assert rows <= 8_000, f"{name} goes through {rows:,} rows"


def _asked(engine: sa.Engine, look: Callable[[], Any]) -> list[tuple[str, Any]]:
    asked: list[tuple[str, Any]] = []

    def hear(*given: Any) -> None:
        if "predictions" in given[2]:
            asked.append((given[2], given[3]))

    sa.event.listen(engine, "before_cursor_execute", hear)
    look()
    sa.event.remove(engine, "before_cursor_execute", hear)
    assert asked
    return asked


def _rows_read(engine: sa.Engine, query: str, values: Any) -> int:
    """Rows that all parts of a plan went through, those that a filter left out, too."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql(f"explain (analyze, format json) {query}", values)
        plan = found.scalar_one()
    (tree,) = json.loads(plan) if isinstance(plan, str) else plan

    def count(node: dict[str, Any]) -> int:
        own = 0
        if "Relation Name" in node:
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            own = int(rows * node["Actual Loops"])
        return own + sum(count(child) for child in node.get("Plans", []))

    return count(tree["Plan"])
