"""Customers are counted by their first requests, whatever the database knows of its tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from churnkit.ledger.engine import make_engine
from churnkit.ledger.rollout_counts import first_requests

UNTIL = datetime(2027, 1, 1, tzinfo=UTC)


def _fill(connection: sa.Connection, rollout: str, first: int, last: int) -> None:
    connection.execute(
        sa.text(
            "insert into predictions (prediction_id, customer_id, model_version, probability,"
            " risk_band, variant, made_at, reasons, rollout_id)"
            " select 'i' || i, 'customer-' || (i % 500), 'v1', 0.5, 'low', 'champion',"
            " timestamptz '2026-01-02' + i * interval '1 second', '[]', nullif(:rollout, '')"
            " from generate_series(:first, :last) i"
        ),
        {"rollout": rollout, "first": first, "last": last},
    )


def test_a_rollout_that_the_statistics_never_saw_is_not_gone_through_for_each_row(
    postgres_url: str,
) -> None:
    """The planner believed that the rollout has one row, and took its index: rows squared."""
    engine = make_engine(postgres_url)
    asked: list[tuple[str, Any]] = []
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("alter table predictions set (autovacuum_enabled = false)"))
        _fill(connection, "", 1, 2_000)
        connection.execute(sa.text("analyze predictions"))
        _fill(connection, "r1", 2_001, 4_000)
    listener = ("before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    sa.event.listen(engine, *listener)
    found = first_requests(engine, "r1", since=None, until=UNTIL)
    sa.event.remove(engine, *listener)
    assert found.unpaired == 500
    ((query, values),) = [one for one in asked if "earlier" in one[0]]
    with engine.connect() as connection:
        plan = "\n".join(connection.exec_driver_sql(f"explain {query}", values).scalars())
    assert "using ix_predictions_customer_id_made_at on predictions earlier" in plan, plan
    engine.dispose()
