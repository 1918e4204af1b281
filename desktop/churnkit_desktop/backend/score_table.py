"""The latest scores of a project: a Parquet file, sorted views of it, pages of a view.

A view is a temporary table with its position as the key. Sorting a million rows takes a second
or two, in a thread; any page of it then takes milliseconds, wherever one scrolls.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np

from churnkit.errors import DataUnreadable
from churnkit_desktop.backend.facts import CustomerQuery, CustomerView, Floats

SHOWN = ("customer_id", "probability", "risk_band", "reason_1", "reason_2", "reason_3")
# A reason as it is read: the column, its value, and what it adds.
_REASON = (
    "case when {0} is null then null else {0} || ': ' || coalesce(cast({0}_value as varchar), "
    "'missing') || ' (' || printf('%+.1f', 100 * {0}_points) || ')' end as {0}"
)
_KEEP = 3
_THREADS = max(1, (os.cpu_count() or 1) - 1)
"""One processor is left to the window."""


class ScoreTable:
    """Reads one file of scores; may be called from several threads.

    Parameters
    ----------
    path : written by ``churnkit.score``; it appears whole or not at all
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._stamp: tuple[int, int] | None = None
        self._views: dict[str, CustomerQuery] = {}
        self._count = 0
        self._probabilities: Floats | None = None

    @property
    def there(self) -> bool:
        """Whether anything was scored."""
        return self.path.is_file()

    @property
    def made_at(self) -> datetime | None:
        """When the file was written."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC) if self.there else None

    def view(self, query: CustomerQuery) -> CustomerView:
        """Sort and filter.

        Raises
        ------
        DataUnreadable : the file of scores is damaged
        """
        with self._lock:
            connection = self._open()
            columns = self._columns(connection)
            if query.sort not in columns:
                query = CustomerQuery()
            condition, values = _condition(query)
            self._count += 1
            name = f"view_{self._count}"
            order = "desc" if query.descending else "asc"
            listed = ", ".join(
                _REASON.format(name) if name.startswith("reason") else name for name in columns
            )
            connection.execute(
                f"create temp table {name} as select row_number() over () - 1 as position, * "
                f"from (select {listed} from scores where {condition} "
                f"order by {query.sort} {order} nulls last, customer_id)",
                values,
            )
            self._views[name] = query
            for old in tuple(self._views)[:-_KEEP]:
                connection.execute(f"drop table if exists {old}")
                del self._views[old]
            n_rows = _one(connection, f"select count(*) from {name}")
            n_all = _one(connection, "select count(*) from scores")
            version = connection.execute("select any_value(model_version) from scores").fetchone()
            return CustomerView(
                name=name,
                n_rows=n_rows,
                n_all=n_all,
                columns=columns,
                scored_at=self.made_at,
                model_version=str(version[0]) if version else "",
            )

    def page(self, view: str, start: int, count: int) -> tuple[tuple[object, ...], ...]:
        """Rows ``start`` to ``start + count`` of a view; nothing where the view is gone."""
        with self._lock:
            if view not in self._views or self._connection is None:
                return ()
            rows = self._connection.execute(
                f"select * exclude (position) from {view} "
                "where position >= ? and position < ? order by position",
                [start, start + count],
            )
            return tuple(rows.fetchall())

    def probabilities(self) -> Floats:
        """All scores, the highest first, shape (n,)."""
        with self._lock:
            connection = self._open()
            if self._probabilities is None:
                column = connection.execute("select probability from scores").fetchnumpy()
                self._probabilities = np.sort(np.asarray(column["probability"], np.float64))[::-1]
            return self._probabilities

    def bands(self) -> dict[str, int]:
        """How many customers are in which risk band."""
        with self._lock:
            rows = self._open().execute("select risk_band, count(*) from scores group by 1")
            return {str(band): int(n) for band, n in rows.fetchall()}

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._forget()

    def _open(self) -> duckdb.DuckDBPyConnection:
        """The connection, made anew when the file was replaced."""
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._connection is None or stamp != self._stamp:
                self._forget()
                connection = duckdb.connect(config={"threads": _THREADS})
                path = str(self.path).replace("'", "''")
                # Read into memory: a scoring that replaces the file disturbs nobody.
                connection.execute(f"create table scores as select * from read_parquet('{path}')")
                self._connection, self._stamp = connection, stamp
            return self._connection
        except (OSError, duckdb.Error) as error:
            raise DataUnreadable(
                "the latest scores cannot be read.",
                fix="Score the customers again.",
                file=self.path,
            ) from error

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._stamp, self._probabilities = None, None, None
        self._views.clear()

    @staticmethod
    def _columns(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
        there = {name for name, *_ in connection.execute("describe scores").fetchall()}
        return tuple(name for name in SHOWN if name in there)


def _condition(query: CustomerQuery) -> tuple[str, list[object]]:
    parts, values = ["probability >= ? and probability <= ?"], [query.low, query.high]
    given: list[object] = list(values)
    if query.bands:
        parts.append(f"risk_band in ({', '.join('?' * len(query.bands))})")
        given += query.bands
    if query.search:
        parts.append("contains(lower(customer_id), lower(?))")
        given.append(query.search.strip())
    return " and ".join(parts), given


def _one(connection: duckdb.DuckDBPyConnection, statement: str) -> int:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])
