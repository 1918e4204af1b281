"""Who was eligible at a date, and who of them churned: one statement per date.

non_contractual
    eligible: an activity that was known at as_of, within ``eligible_days`` of it (or ever);
    churned: no activity in the window.
contractual
    eligible: a period that was known at as_of runs then; churned: the period, together with the
    renewals that follow within ``grace_days``, ends in the window. Of several versions of a period
    (same customer and start) the one known last holds. Whoever is gone before the window opens
    did not churn in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from churnkit.data.database import opened
from churnkit.data.event_tables import CUSTOMERS, EVENTS, SUBSCRIPTIONS
from churnkit.data.zones import Ints, local_sql, local_us, utc_us
from churnkit.domain.events import US_PER_DAY
from churnkit.domain.labels import LabelRate
from churnkit.features.panel import Calendar, not_matured
from churnkit.features.windows import label_windows

_FOREVER = 2**61
_CHAINS = "churnkit_chains"


def label_table(database: Path, calendar: Calendar, as_ofs: Sequence[int]) -> pa.Table:
    """The labels of all eligible customers at some dates.

    Parameters
    ----------
    database : the project's DuckDB file
    calendar : the churn definition on this log
    as_ofs : microseconds UTC

    Returns
    -------
    customer_no int32, as_of_us int64, churned bool; one row per eligible customer and date, in no
    order

    Raises
    ------
    LabelsNotMatured : the labels of a date are not decided
    """
    for as_of in as_ofs:
        if not calendar.matured(as_of):
            raise not_matured(calendar, as_of)
    empty = pa.schema(
        [("customer_no", pa.int32()), ("as_of_us", pa.int64()), ("churned", pa.bool_())]
    )
    with _connected(database, calendar) as connection:
        tables = [
            connection.sql(label_sql(calendar, as_of)).to_arrow_table().cast(empty)
            for as_of in dict.fromkeys(as_ofs)
        ]
    return pa.concat_tables(tables) if tables else empty.empty_table()


def eligible_table(database: Path, calendar: Calendar, as_of_us: int) -> pa.Table:
    """Who is eligible at a moment, whether or not labels are decided.

    Returns
    -------
    customer_no int32, one row per customer, in no order
    """
    with _connected(database, calendar) as connection:
        return connection.sql(
            f"select customer_no::integer as customer_no from ({label_sql(calendar, as_of_us)})"
        ).to_arrow_table()


def labels_at(
    database: Path, calendar: Calendar, customer_ids: Sequence[str], as_of_us: Ints
) -> list[bool | None]:
    """The labels of customers at moments of their own, as ``label_table`` gives them at dates.

    Parameters
    ----------
    customer_ids, as_of_us : one entry per label; all must be matured

    Returns
    -------
    churned : None where the customer was not eligible

    Raises
    ------
    LabelsNotMatured : a label is not decided
    """
    churn = calendar.churn
    windows = label_windows(
        churn,
        as_of_us,
        zone=calendar.log.zone,
        arrival_delay_days=calendar.arrival_delay_days,
    )
    if len(as_of_us) and windows.decided_us.max() > calendar.known_until_us:
        raise not_matured(calendar, int(as_of_us[windows.decided_us.argmax()]))
    since = np.full(len(as_of_us), np.iinfo(np.int64).min)
    if churn.eligible_days is not None:
        zone = calendar.log.zone
        since = utc_us(local_us(as_of_us, zone) - churn.eligible_days * US_PER_DAY, zone)[0]
    asked = pa.table(
        {
            "place": np.arange(len(as_of_us)),
            "customer_id": pa.array(list(customer_ids), pa.string()),
            "as_of_us": as_of_us,
            "opens_us": windows.opens_us,
            "closes_us": windows.closes_us,
            "since_us": since,
        }
    )
    labels: list[bool | None] = [None] * len(as_of_us)
    with _connected(database, calendar) as connection:
        connection.register("churnkit_asked", asked)
        rows = connection.sql(_labels_at_sql(calendar)).to_arrow_table()
        connection.unregister("churnkit_asked")
    for place, churned in zip(*(rows.column(i).to_pylist() for i in range(2)), strict=True):
        labels[place] = churned
    return labels


def _labels_at_sql(calendar: Calendar) -> str:
    """The statement that gives place and churned of those among ``churnkit_asked`` who are
    eligible."""
    asked = f"""(select a.*, n.customer_no from churnkit_asked a
        join {CUSTOMERS} n using (customer_id))"""
    if calendar.churn.kind == "contractual":
        return f"""
            select k.place, coalesce(max(c.end_us) > any_value(k.opens_us)
                and max(c.end_us) <= any_value(k.closes_us), false) as churned
            from (
                select place, customer_no, as_of_us, opens_us, closes_us from (
                    select a.place, a.customer_no, a.as_of_us, a.opens_us, a.closes_us,
                        s.start_us, {_last_known()} as till_us
                    from {asked} a join {SUBSCRIPTIONS} s
                        on s.customer_no = a.customer_no
                        and s.known_us <= a.as_of_us and s.start_us <= a.as_of_us
                    group by all)
                where till_us > as_of_us group by all) k
            left join {_CHAINS} c
                on c.customer_no = k.customer_no
                and c.start_us <= k.as_of_us and c.end_us > k.as_of_us
            group by k.place"""
    return f"""
        select place, not active as churned from (
            select a.place,
                bool_or(e.t_us <= a.as_of_us and e.known_us <= a.as_of_us) as eligible,
                bool_or(e.t_us > a.opens_us) as active
            from {asked} a join {EVENTS} e
                on e.customer_no = a.customer_no
                and e.t_us <= a.closes_us and e.t_us > a.since_us
            where true {_activity(calendar.churn.activity)}
            group by a.place)
        where eligible"""


def label_rates(
    database: Path, calendars: Sequence[Calendar], as_ofs: Sequence[Sequence[int]]
) -> list[list[LabelRate]]:
    """How many are eligible and churned, for each calendar at its dates."""
    rates: list[list[LabelRate]] = []
    for calendar, dates in zip(calendars, as_ofs, strict=True):
        with _connected(database, calendar) as connection:
            rates.append([_rate(connection, calendar, as_of) for as_of in dates])
    return rates


def label_sql(calendar: Calendar, as_of_us: int) -> str:
    """The statement that gives customer_no, as_of_us and churned of the eligible at a date."""
    window = calendar.window(as_of_us)
    if calendar.churn.kind == "contractual":
        return f"""
            select k.customer_no, {as_of_us}::bigint as as_of_us,
                coalesce(max(c.end_us) > {window.opens_us}
                    and max(c.end_us) <= {window.closes_us}, false) as churned
            from (
                select customer_no from (
                    select customer_no, start_us, {_last_known()} as end_us
                    from {SUBSCRIPTIONS}
                    where known_us <= {as_of_us} and start_us <= {as_of_us}
                    group by customer_no, start_us)
                where end_us > {as_of_us} group by customer_no) k
            left join {_CHAINS} c
                on c.customer_no = k.customer_no
                and c.start_us <= {as_of_us} and c.end_us > {as_of_us}
            group by k.customer_no"""
    since = calendar.eligible_since_us(as_of_us)
    after = "" if since is None else f"and t_us > {since}"
    return f"""
        select customer_no, {as_of_us}::bigint as as_of_us, not active as churned from (
            select customer_no,
                bool_or(t_us <= {as_of_us} and known_us <= {as_of_us}) as eligible,
                bool_or(t_us > {window.opens_us}) as active
            from {EVENTS}
            where t_us <= {window.closes_us} {after} {_activity(calendar.churn.activity)}
            group by customer_no)
        where eligible"""


def _rate(connection: duckdb.DuckDBPyConnection, calendar: Calendar, as_of: int) -> LabelRate:
    row = connection.execute(
        f"select count(*), count(*) filter (churned) from ({label_sql(calendar, as_of)})"
    ).fetchone()
    assert row is not None
    matured = calendar.matured(as_of)
    return LabelRate(
        as_of_us=as_of,
        n_eligible=int(row[0]),
        n_churned=int(row[1]) if matured else None,
        matured=matured,
    )


@contextmanager
def _connected(database: Path, calendar: Calendar) -> Iterator[duckdb.DuckDBPyConnection]:
    with opened(database) as connection:
        if calendar.churn.kind == "contractual":
            connection.execute(
                f"create temp table {_CHAINS} as {_chains_sql(connection, calendar)}"
            )
        yield connection


def _chains_sql(connection: duckdb.DuckDBPyConnection, calendar: Calendar) -> str:
    """Periods joined with their renewals: customer_no, start_us, end_us."""
    row = connection.execute(
        f"select min(start_us), max(greatest(start_us, coalesce(end_us, 0))) from {SUBSCRIPTIONS}"
    ).fetchone()
    low, high = row if row is not None and row[0] is not None else (0, 0)
    grace = calendar.churn.grace_days * US_PER_DAY
    start, end = (local_sql(name, calendar.log.zone, low, high) for name in ("start_us", "end_us"))
    return f"""
        select customer_no, min(start_us) as start_us, max(end_us) as end_us from (
            select *, sum(starts::integer) over (
                partition by customer_no order by start_us) as chain
            from (
                select *, coalesce({start} > {grace} + max({end}) over (
                    partition by customer_no order by start_us
                    rows between unbounded preceding and 1 preceding), true) as starts
                from (
                    select customer_no, start_us, {_last_known()} as end_us
                    from {SUBSCRIPTIONS} group by customer_no, start_us)))
        group by customer_no, chain"""


def _last_known() -> str:
    """The end of a period's last known version; of two known at once, the later end."""
    end = f"coalesce(end_us, {_FOREVER})"
    return f"max(struct_pack(known := known_us, till := {end})).till"


def _activity(types: Sequence[str]) -> str:
    if not types:
        return ""
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in types)
    return f"and event_type in ({listed})"
