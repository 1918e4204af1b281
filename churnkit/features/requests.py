"""What is asked for: customers and moments, each pair once, as a table of the connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from churnkit.data.event_tables import CUSTOMERS
from churnkit.errors import AsOfInvalid, DataEmpty
from churnkit.features.moment import Moment

ASKED = "feature_asked"
"""All pairs: customer_id, customer_no (below 0: never seen), as_of_us, as_of_day."""
ASKED_CUSTOMERS = "feature_customers"
"""All customers in them: customer_id, customer_no."""


@dataclass(frozen=True)
class Asked:
    """What was asked for.

    Attributes
    ----------
    moments : each different moment → how many customers, in order
    n_customers : how many customers of the log were asked for
    n_unknown : how many others were asked for
    """

    moments: dict[Moment, int]
    n_customers: int
    n_unknown: int

    @property
    def n_rows(self) -> int:
        """How many rows the result has."""
        return sum(self.moments.values())


def ask(
    connection: duckdb.DuckDBPyConnection,
    zone: str,
    *,
    as_of: Sequence[datetime] = (),
    customers: pa.Array | None = None,
    pairs: pa.Table | None = None,
) -> Asked:
    """Put the requests into temporary tables.

    Parameters
    ----------
    as_of : moments with their zone; each is asked for each customer
    customers : the ids, None: all customers of the log
    pairs : instead of both, a table with ``customer_id`` and ``as_of`` (timestamps with a zone)

    Raises
    ------
    AsOfInvalid : no moment, or one without a zone
    DataEmpty : no customer
    """
    if pairs is not None:
        _ask_pairs(connection, zone, pairs)
    else:
        _ask_panel(connection, zone, as_of, customers)
    rows = connection.execute(
        f"SELECT as_of_us, as_of_day, count(*) FROM {ASKED} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if not rows:
        raise DataEmpty("no customer was asked for.", fix="Name one, or import events first.")
    (counted,) = connection.execute(
        "SELECT count(*) FILTER (customer_no >= 0), "
        f"count(*) FILTER (customer_no < 0) FROM {ASKED_CUSTOMERS}"
    ).fetchall()
    return Asked({Moment(us, day): n for us, day, n in rows}, *counted)


def _ask_panel(
    connection: duckdb.DuckDBPyConnection,
    zone: str,
    as_of: Sequence[datetime],
    customers: pa.Array | None,
) -> None:
    if not as_of:
        raise AsOfInvalid("no moment to look from was given.", fix="Name one or more with as_of.")
    moments = pa.array([_aware(moment) for moment in as_of], pa.timestamp("us", tz="UTC"))
    _with_moments(connection, zone, moments)
    if customers is None:
        _replace_view(
            connection, ASKED_CUSTOMERS, f"SELECT customer_id, customer_no FROM {CUSTOMERS}"
        )
    else:
        ids = pa.table({"customer_id": pa.array(customers).cast(pa.string())})
        with _registered(connection, "feature_ids", ids):
            _number(connection, "feature_ids")
    # A view: twelve moments of a million customers need no room.
    _replace_view(
        connection,
        ASKED,
        "SELECT c.customer_id, c.customer_no, m.as_of_us, m.as_of_day "
        f"FROM feature_moments m, {ASKED_CUSTOMERS} c",
    )


def _ask_pairs(connection: duckdb.DuckDBPyConnection, zone: str, pairs: pa.Table) -> None:
    moments = pairs.column("as_of")
    if not pa.types.is_timestamp(moments.type) or moments.type.tz is None:
        raise AsOfInvalid(
            "the moments to look from have no zone.",
            fix="Give timestamps with a zone, for example in UTC.",
            column="as_of",
        )
    if moments.null_count or pairs.column("customer_id").null_count:
        raise AsOfInvalid(
            "a request lacks its customer or its moment.",
            fix="Give both in every row.",
            column="as_of" if moments.null_count else "customer_id",
        )
    moments = moments.cast(pa.timestamp("us", tz="UTC"))
    table = pa.table(
        {
            "customer_id": pairs.column("customer_id").cast(pa.string()),
            "as_of_us": moments.cast(pa.int64()),
        }
    )
    _with_moments(connection, zone, moments.unique())
    with _registered(connection, "feature_pairs", table):
        _number(connection, "feature_pairs")
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE feature_asked_pairs AS "
            "SELECT DISTINCT c.customer_id, c.customer_no, m.as_of_us, m.as_of_day "
            f"FROM feature_pairs JOIN feature_moments m USING (as_of_us) "
            f"JOIN {ASKED_CUSTOMERS} c USING (customer_id)"
        )
    _replace_view(connection, ASKED, "SELECT * FROM feature_asked_pairs")


def _with_moments(connection: duckdb.DuckDBPyConnection, zone: str, moments: pa.Array) -> None:
    found = sorted({Moment.of(moment, zone) for moment in moments.to_pylist()})
    table = pa.table(
        {
            "as_of_us": pa.array([moment.as_of_us for moment in found], pa.int64()),
            "as_of_day": pa.array([moment.as_of_day for moment in found], pa.int32()),
        }
    )
    with _registered(connection, "feature_moments_given", table):
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE feature_moments AS SELECT * FROM feature_moments_given"
        )


def _number(connection: duckdb.DuckDBPyConnection, wanted: str) -> None:
    """Give customers their numbers; those who were never seen get numbers below 0."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE feature_numbers AS "
        f"WITH asked AS (SELECT DISTINCT customer_id FROM {wanted}), "
        f"unknown AS (SELECT customer_id FROM asked ANTI JOIN {CUSTOMERS} USING (customer_id)) "
        "SELECT customer_id, CAST(-row_number() OVER (ORDER BY customer_id) AS INTEGER) "
        "AS customer_no FROM unknown UNION ALL "
        f"SELECT customer_id, customer_no FROM {CUSTOMERS} SEMI JOIN asked USING (customer_id)"
    )
    _replace_view(connection, ASKED_CUSTOMERS, "SELECT * FROM feature_numbers")


def _replace_view(connection: duckdb.DuckDBPyConnection, name: str, sql: str) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}")


@contextmanager
def _registered(
    connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table
) -> Iterator[None]:
    """A table in memory that SQL can read, for as long as it is needed."""
    connection.register(name, table)
    try:
        yield
    finally:
        connection.unregister(name)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise AsOfInvalid(
            f"the moment {moment.isoformat(sep=' ')} has no zone.",
            fix="Give it one, for example datetime(2026, 1, 1, tzinfo=UTC).",
            as_of=moment.isoformat(),
        )
    return moment
