"""Online states made from the imported log, a few thousand customers at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
from churnkit.domain.events import LogSchema
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.features.online_events import content_key
from churnkit.features.online_layout import Layout, OnlineEvent
from churnkit.features.online_state import (
    AttributeVersion,
    OnlineState,
    Period,
    take_events,
)

LONG_AGO_US = -(2**62)
_CUSTOMERS = 5_000


def states_from_log(
    connection: duckdb.DuckDBPyConnection,
    layout: Layout,
    *,
    now_us: int,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Iterator[tuple[str, OnlineState]]:
    """The state of every customer of the log, as if its events had been delivered until now.

    Parameters
    ----------
    connection : to the project's database
    now_us : the present moment; what is older than the lateness is summed up
    """
    row = connection.execute(f"select min(customer_no), max(customer_no) from {CUSTOMERS}")
    low, high = row.fetchall()[0]
    if low is None:
        return
    for start in range(low, high + 1, _CUSTOMERS):
        if cancel is not None:
            cancel.check()
        stop = min(start + _CUSTOMERS, high + 1)
        yield from _some(connection, layout, now_us, start, stop)
        progress(Step("building online states", (stop - low) / (high + 1 - low)))


def _some(
    connection: duckdb.DuckDBPyConnection, layout: Layout, now_us: int, start: int, stop: int
) -> Iterator[tuple[str, OnlineState]]:
    schema = layout.schema
    here = f"where customer_no >= {start} and customer_no < {stop}"
    names = dict(
        connection.execute(
            f"select customer_no, customer_id from {CUSTOMERS} {here} order by customer_no"
        ).fetchall()
    )
    events = _events(connection, schema, here)
    attributes = _attributes(connection, schema, here)
    periods = _periods(connection, here)
    for number, name in names.items():
        state = OnlineState(LONG_AGO_US)
        state.attributes = attributes.get(number, [])
        state.periods = periods.get(number, [])
        take_events(state, _apart(events.pop(number, [])), layout, now_us=now_us)
        yield name, state


def _apart(events: list[OnlineEvent]) -> Iterator[OnlineEvent]:
    """The log may hold equal events on purpose: each gets a key of its own."""
    seen: dict[str, int] = {}
    for event in events:
        nth = seen[event.key] = seen.get(event.key, 0) + 1
        yield event if nth == 1 else replace(event, key=f"{event.key}#{nth}")


def _events(
    connection: duckdb.DuckDBPyConnection, schema: LogSchema, here: str
) -> dict[int, list[OnlineEvent]]:
    n_values = len(schema.values)
    columns = [value_column(one.name) for one in schema.values]
    columns += [category_column(name) for name in schema.categories]
    listed = "".join(f", {column}" for column in columns)
    cursor = connection.execute(
        f"select customer_no, t_us, known_us, dayno, event_type::varchar{listed} from {EVENTS} "
        f"{here} order by customer_no, t_us"
    )
    found: dict[int, list[OnlineEvent]] = {}
    while rows := cursor.fetchmany(50_000):
        for number, t_us, known_us, dayno, kind, *rest in rows:
            values, categories = tuple(rest[:n_values]), tuple(rest[n_values:])
            key = content_key(t_us, kind, values, categories)
            found.setdefault(number, []).append(
                OnlineEvent(t_us, known_us, dayno, kind, values, categories, key)
            )
    return found


def _attributes(
    connection: duckdb.DuckDBPyConnection, schema: LogSchema, here: str
) -> dict[int, list[AttributeVersion]]:
    if not schema.attributes:
        return {}
    listed = ", ".join(attribute_column(one.name) for one in schema.attributes)
    found: dict[int, list[AttributeVersion]] = {}
    for number, start, known, *values in connection.execute(
        f"select customer_no, valid_from_us, known_us, {listed} from {ATTRIBUTES} {here}"
    ).fetchall():
        found.setdefault(number, []).append(AttributeVersion(start, known, tuple(values)))
    return found


def _periods(connection: duckdb.DuckDBPyConnection, here: str) -> dict[int, list[Period]]:
    found: dict[int, list[Period]] = {}
    for number, *period in connection.execute(
        f"select customer_no, start_us, end_us, known_us from {SUBSCRIPTIONS} {here}"
    ).fetchall():
        found.setdefault(number, []).append(Period(*period))
    return found
