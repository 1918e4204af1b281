"""Recorded predictions page by page: each once and in order, and a page costs what it shows."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from churnkit.domain.predictions import PredictionRow
from churnkit.ledger.prediction_pages import predictions_page
from churnkit.ledger.store import Ledger

START = datetime(2026, 1, 2, tzinfo=UTC)


def _at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize("named", [{}, {"model_version": "v2"}, {"customer_id": "c1"}])
def test_pages_give_each_prediction_once_and_in_order(
    ledger_url: str, named: dict[str, str]
) -> None:
    rng = random.Random(1)
    rows = [
        PredictionRow(
            prediction_id=f"p{number:02}", customer_id=f"c{rng.randrange(3)}",
            model_version=f"v{rng.randrange(3)}", probability=0.5, risk_band="low",
            variant="champion", made_at=_at(rng.randrange(20)),
            shadow_of="p" if number % 10 == 0 else None,
        )
        for number in range(80)
    ]  # fmt: skip
    wanted = sorted(
        (
            (row.made_at, row.prediction_id)
            for row in rows
            if row.shadow_of is None
            and _at(3) <= row.made_at < _at(18)
            and all(getattr(row, name) == value for name, value in named.items())
        ),
        reverse=True,
    )
    with Ledger.open(ledger_url) as ledger:
        ledger.record_predictions(rows)
        found: list[tuple[datetime, str]] = []
        while True:
            page = predictions_page(
                ledger.engine, **named, since=_at(3), until=_at(18),
                after=found[-1] if found else None, limit=7,
            )  # fmt: skip
            found += [(row.made_at, row.prediction_id) for row in page]
            if len(page) < 7:
                break
    assert found == wanted
    assert len(found) > 14


@pytest.mark.parametrize(
    "named",
    [{}, {"since": _at(9_000)}, {"after": (_at(9_000), "~")}]
    + [{"after": (_at(9_000), "~"), name: value} for name, value in
       (("model_version", "v1"), ("customer_id", "c1"))],
)  # fmt: skip
def test_a_page_reads_what_it_shows(postgres_url: str, named: dict[str, Any]) -> None:
    with Ledger.open(postgres_url) as ledger:
        with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(
                sa.text(
                    "insert into predictions (prediction_id, customer_id, model_version,"
                    " probability, risk_band, variant, made_at, reasons)"
                    " select 'p' || i, 'c' || i % 2, 'v' || i % 3, 0.5, 'low', 'champion',"
                    " timestamptz '2026-01-02' + i * interval '1 second', '[]'"
                    " from generate_series(1, 20000) i"
                )
            )
            connection.execute(sa.text("vacuum analyze predictions"))
        asked: list[tuple[str, Any]] = []

        def hear(*given: Any) -> None:
            asked.append((given[2], given[3]))

        sa.event.listen(ledger.engine, "before_cursor_execute", hear)
        assert len(predictions_page(ledger.engine, **named, limit=50)) == 50
        sa.event.remove(ledger.engine, "before_cursor_execute", hear)
        with ledger.engine.connect() as connection:
            for query, values in asked:
                found = connection.exec_driver_sql(
                    f"explain (analyze, format json) {query}", values
                )
                plan = found.scalar_one()
                (tree,) = json.loads(plan) if isinstance(plan, str) else plan
                assert _rows_read(tree["Plan"]) < 500, query


def _rows_read(node: dict[str, Any]) -> int:
    own = 0
    if "Relation Name" in node:
        own = node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    return int(own) + sum(_rows_read(child) for child in node.get("Plans", []))
