"""Streams of customers for the drift tests, in the transaction of a refresh.

A stream counts each customer once, at the first prediction by its model version since it began:
which stream counted a customer last is kept beside the customer's latest score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from churnkit.ledger.refreshing import Refresh
from churnkit.ledger.tables import drift_rows, drift_streams
from churnkit.ledger.transactions import reading, writing
from churnkit.ledger.upserts import replace_rows


@dataclass(frozen=True)
class Stream:
    """A stream that a drift test follows.

    ``state`` is the test's, as text; ``kind`` is ``score`` or ``features``.
    """

    stream: str
    model_version: str
    kind: str
    began_at: datetime
    updated_at: datetime
    state: str


_FIRST = """
select p.customer_id{collate} as customer_id, p.probability,
    row_number() over (partition by p.customer_id order by p.made_at, p.prediction_id) as place
from predictions p where p.shadow_of is null and p.model_version = :version and {new}
"""
_COUNT = """
select {what} from ({first}) n join latest_scores l on l.customer_id = n.customer_id
where n.place = 1 and coalesce(l.score_stream, '') <> :stream {group}
"""
_MARK = """
update latest_scores set score_stream = :stream
where coalesce(score_stream, '') <> :stream
    and customer_id in (select n.customer_id from ({first}) n where n.place = 1)
"""
_ROWS = """
select bins, customer_id from (
    select d.bins, l.customer_id, row_number() over (
        partition by l.customer_id order by p.made_at, p.prediction_id) as place
    from drift_rows d join predictions p on p.prediction_id = d.prediction_id
        join latest_scores l on l.customer_id = p.customer_id{collate}
    where d.model_version = :version and coalesce(l.feature_stream, '') <> :stream
) n where place = 1
"""
_USED = """
delete from drift_rows where model_version = :version
    and exists (select 1 from predictions p where p.prediction_id = drift_rows.prediction_id)
"""


def count_scores(
    refresh: Refresh, version: str, stream: str, edges: Sequence[float]
) -> tuple[int, ...]:
    """How many of a version's new customers lie between the edges, shape (len(edges) + 1,).

    They are marked as counted.
    """
    connection = refresh.connection
    postgres = connection.dialect.name == "postgresql"
    first = _FIRST.format(collate=_collate(connection), new=refresh.rows.where)
    values: dict[str, Any] = {**refresh.rows.parameters, "version": version, "stream": stream}
    counts = [0] * (len(edges) + 1)
    if postgres:
        what = "width_bucket(n.probability, cast(:edges as float8[])), count(*)"
        text = _COUNT.format(what=what, first=first, group="group by 1")
        for place, n in connection.execute(sa.text(text), {**values, "edges": list(edges)}):
            counts[place] = n
    else:
        text = _COUNT.format(what="n.probability", first=first, group="")
        found = connection.execute(sa.text(text), values).scalars().all()
        places = np.searchsorted(np.array(edges), np.array(found, dtype=float), side="right")
        counts = np.bincount(places.astype(np.int64), minlength=len(counts)).tolist()
    if any(counts):
        connection.execute(sa.text(_MARK.format(first=first)), values)
    return tuple(counts)


def take_rows(refresh: Refresh, version: str, stream: str) -> list[bytes]:
    """The bins of a version's new customers, as they were noted; each is given once."""
    connection = refresh.connection
    values = {"version": version, "stream": stream}
    text = _ROWS.format(collate=_collate(connection))
    found = connection.execute(sa.text(text), values).all()
    if found and connection.dialect.name == "postgresql":
        mark = "update latest_scores set feature_stream = :stream where customer_id = any(:names)"
        names = [row[1] for row in found]
        connection.execute(sa.text(mark), {"stream": stream, "names": names})
    elif found:
        mark = "update latest_scores set feature_stream = :stream where customer_id = :name"
        connection.execute(sa.text(mark), [{"stream": stream, "name": row[1]} for row in found])
    connection.execute(sa.text(_USED), values)
    return [bytes(row[0]) for row in found]


def noted_versions(refresh: Refresh) -> tuple[str, ...]:
    """The model versions of which rows were noted."""
    query = sa.select(drift_rows.c.model_version).distinct()
    return tuple(refresh.connection.execute(query).scalars())


def note_rows(
    engine: sa.Engine, version: str, rows: Sequence[tuple[str, bytes]], at: datetime
) -> None:
    """Note the bins of predictions: (prediction_id, bins)."""
    values = [
        {"prediction_id": name, "model_version": version, "bins": bins, "at": at}
        for name, bins in rows
    ]
    with writing(engine) as connection:
        # Not ``replace_rows``: a prediction is noted once, and the driver sends such an insert
        # as one statement, one with ON CONFLICT row by row.
        connection.execute(sa.insert(drift_rows), values)


def forget_rows(refresh: Refresh, before: datetime) -> None:
    """Rows whose prediction never came."""
    refresh.connection.execute(sa.delete(drift_rows).where(drift_rows.c.at < before))


def read_stream(refresh: Refresh, stream: str) -> Stream | None:
    """A stream by its name."""
    query = sa.select(drift_streams).where(drift_streams.c.stream == stream)
    row = refresh.connection.execute(query).mappings().one_or_none()
    return None if row is None else Stream(**row)


def write_stream(refresh: Refresh, stream: Stream) -> None:
    """Keep a stream's state."""
    replace_rows(refresh.connection, drift_streams, [vars(stream)])


def streams(
    engine: sa.Engine, *, model_version: str | None, since: datetime, most: int
) -> tuple[Stream, ...]:
    """Streams that were fed since a moment, the newest first."""
    query = sa.select(drift_streams).where(drift_streams.c.updated_at >= since)
    if model_version is not None:
        query = query.where(drift_streams.c.model_version == model_version)
    query = query.order_by(drift_streams.c.began_at.desc(), drift_streams.c.stream).limit(most)
    with reading(engine) as connection:
        return tuple(Stream(**row) for row in connection.execute(query).mappings())


def _collate(connection: sa.Connection) -> str:
    return ' collate "C"' if connection.dialect.name == "postgresql" else ""
