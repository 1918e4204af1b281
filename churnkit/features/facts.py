"""All that is known of one customer: events, versions of attributes, subscription periods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import duckdb

from churnkit.data.event_tables import (
    ATTRIBUTES,
    CUSTOMERS,
    EVENTS,
    SUBSCRIPTIONS,
    attribute_column,
    category_column,
    value_column,
)
from churnkit.domain.events import BEGINNING_US, LogSchema

Table = Literal["event", "attribute", "subscription"]


@dataclass(frozen=True)
class CustomerFact:
    """One row of the log about a customer.

    ``what`` is the event's type, the attribute or ``subscription``; ``shown`` what a person reads.
    """

    table: Table
    t_us: int
    known_us: int
    what: str
    shown: str


def customer_number(connection: duckdb.DuckDBPyConnection, customer_id: str) -> int | None:
    """The number of a customer in the log; None: there is no such customer."""
    rows = connection.execute(
        f"SELECT customer_no FROM {CUSTOMERS} WHERE customer_id = ?", [customer_id]
    ).fetchall()
    return int(rows[0][0]) if rows else None


def find_customers(
    connection: duckdb.DuckDBPyConnection, search: str, limit: int
) -> tuple[tuple[str, int], ...]:
    """Customers whose id holds a text (case is ignored) and their events, the busiest first."""
    rows = connection.execute(
        f"SELECT c.customer_id, count(e.customer_no) AS n FROM {CUSTOMERS} c "
        f"LEFT JOIN {EVENTS} e ON e.customer_no = c.customer_no "
        "WHERE contains(lower(c.customer_id), lower(?)) "
        "GROUP BY c.customer_id ORDER BY n DESC, c.customer_id LIMIT ?",
        [search.strip(), limit],
    ).fetchall()
    return tuple((str(name), int(n)) for name, n in rows)


def customer_facts(
    connection: duckdb.DuckDBPyConnection, schema: LogSchema, customer_no: int, *, at_most: int
) -> tuple[tuple[CustomerFact, ...], int]:
    """The newest facts about a customer, the oldest of them first, and how many events there are.

    Parameters
    ----------
    at_most : so many events are told; attributes and subscriptions are few, and told whole
    """
    facts = [
        *_events(connection, schema, customer_no, at_most),
        *_versions(connection, schema, customer_no),
        *_periods(connection, schema, customer_no),
    ]
    row = connection.execute(
        f"SELECT count(*) FROM {EVENTS} WHERE customer_no = ?", [customer_no]
    ).fetchall()
    return tuple(sorted(facts, key=lambda fact: (fact.t_us, fact.known_us))), int(row[0][0])


def _events(
    connection: duckdb.DuckDBPyConnection, schema: LogSchema, customer_no: int, at_most: int
) -> list[CustomerFact]:
    columns = [
        *((c.name, f"e.{value_column(c.name)}", 10**c.decimals) for c in schema.values),
        *((name, f"e.{category_column(name)}", 0) for name in schema.categories),
    ]
    listed = "".join(f", {sql}" for _, sql, _ in columns)
    rows = connection.execute(
        f"SELECT e.t_us, e.known_us, CAST(e.event_type AS VARCHAR){listed} FROM {EVENTS} e "
        "WHERE e.customer_no = ? ORDER BY e.t_us DESC, e.known_us DESC LIMIT ?",
        [customer_no, at_most],
    ).fetchall()
    facts = []
    for t_us, known_us, kind, *values in rows:
        told = [
            f"{name} {value / scale:g}" if scale else f"{name} {value}"
            for (name, _, scale), value in zip(columns, values, strict=True)
            if value is not None
        ]
        facts.append(CustomerFact("event", t_us, known_us, str(kind), ", ".join(told)))
    return facts


def _versions(
    connection: duckdb.DuckDBPyConnection, schema: LogSchema, customer_no: int
) -> list[CustomerFact]:
    facts: list[CustomerFact] = []
    if not schema.attributes:
        return facts
    listed = ", ".join(attribute_column(a.name) for a in schema.attributes)
    rows = connection.execute(
        f"SELECT valid_from_us, known_us, {listed} FROM {ATTRIBUTES} WHERE customer_no = ? "
        "ORDER BY valid_from_us, known_us",
        [customer_no],
    ).fetchall()
    before: tuple[object, ...] = ()
    for valid_from, known, *values in rows:
        changed = [
            f"{a.name} {'missing' if value is None else value}"
            for i, (a, value) in enumerate(zip(schema.attributes, values, strict=True))
            if not before or before[i] != value
        ]
        before = tuple(values)
        t_us = (
            max(valid_from, schema.first_us or valid_from) if _undated(valid_from) else valid_from
        )
        facts.append(CustomerFact("attribute", t_us, known, "attributes", ", ".join(changed)))
    return facts


def _periods(
    connection: duckdb.DuckDBPyConnection, schema: LogSchema, customer_no: int
) -> list[CustomerFact]:
    if not schema.has_subscriptions:
        return []
    rows = connection.execute(
        f"SELECT start_us, known_us, CASE WHEN end_us IS NULL THEN 'open' ELSE 'until ' || "
        f"strftime(make_timestamp(end_us), '%Y-%m-%d') END FROM {SUBSCRIPTIONS} "
        "WHERE customer_no = ? ORDER BY start_us, known_us",
        [customer_no],
    ).fetchall()
    return [
        CustomerFact("subscription", start, known, "subscription", str(shown))
        for start, known, shown in rows
    ]


def _undated(moment_us: int) -> bool:
    """Facts without a date hold since the beginning; on an axis they stand at the log's start."""
    return moment_us <= BEGINNING_US
