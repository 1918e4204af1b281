"""How many requests each route answered, how and how quickly, by the minute and replica."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from churnkit.ledger.refreshing import MINUTES_FOR, Figures, Key, add_figures, read_figures
from churnkit.ledger.tables import drift_streams, score_minutes, service_minutes
from churnkit.ledger.transactions import reading, writing
from churnkit.ledger.upserts import replace_rows

_TIDY_LOCK = 0x6D696E757465  # "minute"
Route = tuple[str, str, str]
"""Method, the route's template, and the model version that served."""


@dataclass
class Requests:
    """Answered requests.

    ``statuses`` counts by hundreds (``2xx`` …); ``buckets`` by the upper bound of the seconds
    that they took, not cumulated.
    """

    statuses: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    buckets: dict[str, int] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """All of them."""
        return sum(self.statuses.values())

    def __iadd__(self, other: Requests) -> Requests:
        for mine, theirs in (
            (self.statuses, other.statuses),
            (self.buckets, other.buckets),
        ):
            for name, n in theirs.items():
                mine[name] = mine.get(name, 0) + n
        self.seconds += other.seconds
        return self


def write_minutes(
    engine: sa.Engine, replica: str, minutes: Mapping[tuple[datetime, Route], Requests]
) -> None:
    """Write what a replica counted in whole minutes so far; writing it twice changes nothing."""
    with writing(engine) as connection:
        replace_rows(
            connection,
            service_minutes,
            [_values(at, replica, route, found) for (at, route), found in minutes.items()],
        )


def _values(at: datetime, replica: str, route: Route, found: Requests) -> dict[str, Any]:
    return {
        "minute": at,
        "replica": replica,
        "method": route[0],
        "route": route[1],
        "model_version": route[2],
        "statuses": json.dumps(found.statuses),
        "seconds": found.seconds,
        "buckets": json.dumps(found.buckets),
    }


def read_minutes(
    engine: sa.Engine, since: datetime, until: datetime
) -> Iterable[tuple[datetime, Route, Requests]]:
    """What all replicas counted in [since, until)."""
    table = service_minutes.c
    query = sa.select(service_minutes).where(table.minute >= since, table.minute < until)
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    for row in rows:
        yield row["minute"], (row["method"], row["route"], row["model_version"]), _requests(row)


def read_scores(
    engine: sa.Engine,
    since: datetime,
    until: datetime,
    *,
    model_version: str | None = None,
    variant: str | None = None,
) -> Iterable[tuple[Key, Figures]]:
    """What was predicted in [since, until)."""
    table = score_minutes.c
    query = sa.select(score_minutes).where(table.minute >= since, table.minute < until)
    if model_version is not None:
        query = query.where(table.model_version == model_version)
    if variant is not None:
        query = query.where(table.variant == variant)
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    for row in rows:
        key = (row["minute"], row["model_version"], row["variant"], bool(row["shadow"]))
        yield key, read_figures(row)


def tidy_figures(engine: sa.Engine, *, now: datetime, keep: timedelta) -> None:
    """Join old minutes to hours of all replicas together, and forget what is older than kept.

    It is done once, however many do it at once.
    """
    border = (now - MINUTES_FOR).replace(minute=0, second=0, microsecond=0)
    with writing(engine, lock=_TIDY_LOCK) as connection:
        for table in (service_minutes, score_minutes):
            connection.execute(sa.delete(table).where(table.c.minute < now - keep))
        connection.execute(sa.delete(drift_streams).where(drift_streams.c.updated_at < now - keep))
        _join_requests(connection, border)


def _join_requests(connection: sa.Connection, border: datetime) -> None:
    table = service_minutes
    old = (table.c.minute < border, table.c.replica != "")
    hours: dict[tuple[datetime, Route], Requests] = defaultdict(Requests)
    rows: Sequence[sa.RowMapping] = (
        connection.execute(sa.select(table).where(table.c.minute < border, *old)).mappings().all()
    )
    if not rows:
        return
    begin = min(row["minute"] for row in rows).replace(minute=0)
    joined = sa.select(table).where(
        table.c.minute >= begin, table.c.minute < border, table.c.replica == ""
    )
    for row in (*rows, *connection.execute(joined).mappings().all()):
        hour = row["minute"].replace(minute=0)
        route = (row["method"], row["route"], row["model_version"])
        hours[hour, route] += _requests(row)
    connection.execute(sa.delete(table).where(*old))
    replace_rows(
        connection, table, [_values(at, "", route, found) for (at, route), found in hours.items()]
    )


def join_scores(connection: sa.Connection, border: datetime) -> None:
    """Join minutes of scores to hours; in the transaction of a refresh, which adds to them."""
    table = score_minutes
    rows = connection.execute(sa.select(table).where(table.c.minute < border)).mappings().all()
    added: dict[Key, Figures] = defaultdict(Figures)
    for row in rows:
        if row["minute"].minute == 0:
            continue
        key = (
            row["minute"].replace(minute=0), row["model_version"], row["variant"],
            bool(row["shadow"]),
        )  # fmt: skip
        added[key] += read_figures(row)
        connection.execute(
            sa.delete(table).where(
                *(table.c[name] == row[name] for name in ("minute", "model_version", "variant",
                                                          "shadow"))
            )
        )  # fmt: skip
    add_figures(connection, added)


def _requests(row: sa.RowMapping) -> Requests:
    return Requests(json.loads(row["statuses"]), row["seconds"], json.loads(row["buckets"]))
