"""What is made of the predictions: the latest score of each customer, and figures by minute.

Whoever writes predictions does not pay for it: a refresh takes what is new since the one before,
in one transaction with the position it has reached, so that every prediction counts exactly
once. Of several replicas one refreshes at a time.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from churnkit.ledger.engine import database_errors
from churnkit.ledger.new_rows import NewRows, new_rows
from churnkit.ledger.tables import refreshes, score_minutes
from churnkit.ledger.transactions import reading
from churnkit.ledger.upserts import replace_rows

T = TypeVar("T")
NAME = "latest_scores"
REFRESH_LOCK = 0x6C6174657374  # "latest"
BINS = 20
"""Of the probabilities, equally wide."""
MINUTES_FOR = timedelta(days=2)
"""Older figures are of hours."""
_RANKS = "case p.risk_band when 'high' then 2 when 'medium' then 1 when 'low' then 0 else -1 end"
_SERIALIZATION_FAILURE = "40001"
_LATEST = """
insert into latest_scores (customer_id, prediction_id, probability, risk_band, risk_rank,
    model_version, variant, made_at)
select customer_id, prediction_id, probability, risk_band, risk_rank, model_version, variant,
    made_at
from (
    select p.customer_id, p.prediction_id, p.probability, p.risk_band, {ranks} as risk_rank,
        p.model_version, p.variant, p.made_at,
        row_number() over (
            partition by p.customer_id order by p.made_at desc, p.prediction_id desc
        ) as place
    from predictions p where p.shadow_of is null and {new}
) newest where place = 1
on conflict (customer_id) do update set
    prediction_id = excluded.prediction_id, probability = excluded.probability,
    risk_band = excluded.risk_band, risk_rank = excluded.risk_rank,
    model_version = excluded.model_version, variant = excluded.variant,
    made_at = excluded.made_at
where (excluded.made_at, excluded.prediction_id)
    > (latest_scores.made_at, latest_scores.prediction_id)
"""
_MINUTES = {
    "postgresql": "date_trunc(case when p.made_at < :hours_before then 'hour' else 'minute' end, "
    "p.made_at, 'UTC')",
    "sqlite": "case when p.made_at < :hours_before then substr(p.made_at, 1, 13) || '\\:00' "
    "else substr(p.made_at, 1, 16) end",
}
_FIGURES = """
select {minute} as minute, p.model_version, p.variant, p.shadow_of is not null as shadow,
    case when p.probability >= 1 then {last} else cast({floor} as integer) end as bin,
    p.risk_band, count(*) as n, count(p.unknown_categories) as n_unknown,
    sum(p.probability) as total
from predictions p where {new}
group by 1, 2, 3, 4, 5, 6
"""
_FLOOR = {
    "postgresql": f"floor(p.probability * {BINS})",
    "sqlite": f"p.probability * {BINS}",  # the cast cuts off
}


@dataclass
class Figures:
    """Predictions of one minute or hour, model version and variant."""

    n: int = 0
    n_unknown: int = 0
    total: float = 0.0
    bands: dict[str, int] = field(default_factory=dict)
    bins: list[int] = field(default_factory=lambda: [0] * BINS)

    def __iadd__(self, other: Figures) -> Figures:
        self.n += other.n
        self.n_unknown += other.n_unknown
        self.total += other.total
        for band, n in other.bands.items():
            self.bands[band] = self.bands.get(band, 0) + n
        self.bins = [a + b for a, b in zip(self.bins, other.bins, strict=True)]
        return self


Key = tuple[datetime, str, str, bool]
"""Start of the minute or hour, model version, variant, whether they are shadows."""


class Refresh:
    """One refresh, inside its transaction.

    ``connection`` is the transaction's, ``rows`` what is new in it.
    """

    def __init__(self, connection: sa.Connection, rows: NewRows) -> None:
        self.connection = connection
        self.rows = rows

    def latest(self) -> int:
        """Bring the latest scores up to date; returns how many changed."""
        text = _LATEST.format(ranks=_RANKS, new=self.rows.where)
        return self.connection.execute(sa.text(text), self.rows.parameters).rowcount

    def figures(self, now: datetime) -> dict[Key, Figures]:
        """Add the new predictions to the figures; returns what was added."""
        if self.rows.again:  # they were counted before
            return {}
        dialect = self.connection.dialect.name
        text = _FIGURES.format(
            minute=_MINUTES[dialect], floor=_FLOOR[dialect], last=BINS - 1, new=self.rows.where
        )
        moment = sa.bindparam("hours_before", now - MINUTES_FOR, type_=score_minutes.c.minute.type)
        found = self.connection.execute(sa.text(text).bindparams(moment), self.rows.parameters)
        added: dict[Key, Figures] = defaultdict(Figures)
        for row in found.mappings():
            key = (_moment(row["minute"]), row["model_version"], row["variant"], row["shadow"])
            bins = [0] * BINS
            bins[max(row["bin"], 0)] = row["n"]
            added[(*key[:3], bool(key[3]))] += Figures(
                row["n"], row["n_unknown"], row["total"], {row["risk_band"]: row["n"]}, bins
            )
        add_figures(self.connection, added)
        return added


def refresh(
    engine: sa.Engine, work: Callable[[Refresh], T], *, now: datetime, every: timedelta
) -> T | None:
    """Do the work of a refresh; None where another replica does it, or did it a moment ago.

    Parameters
    ----------
    every : a refresh that is younger is young enough
    """
    options: dict[str, Any] = {"churnkit_mode": "immediate"}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    young = refreshed_at(engine)
    if young is not None and now - young < every:
        return None
    with database_errors(engine):
        try:
            with engine.execution_options(**options).connect() as connection, connection.begin():
                return _refreshed(connection, work, now)
        except sa.exc.DBAPIError as error:
            if getattr(error.orig, "pgcode", None) != _SERIALIZATION_FAILURE:
                raise
            return None


def _refreshed(connection: sa.Connection, work: Callable[[Refresh], T], now: datetime) -> T | None:
    if not _locked(connection):
        return None
    query = sa.select(refreshes.c.position).where(refreshes.c.name == NAME)
    rows = new_rows(connection, connection.execute(query).scalar())
    # Written first: a transaction that began before the last refresh ended, and would count
    # the same rows again, fails here.
    values = {"name": NAME, "position": rows.position, "refreshed_at": now}
    replace_rows(connection, refreshes, [values])
    return work(Refresh(connection, rows))


def _locked(connection: sa.Connection) -> bool:
    if connection.dialect.name != "postgresql":
        return True
    query = sa.text(f"select pg_try_advisory_xact_lock({REFRESH_LOCK})")
    return bool(connection.execute(query).scalar())


def refreshed_at(engine: sa.Engine) -> datetime | None:
    """Up to when predictions were taken in; None: never."""
    query = sa.select(refreshes.c.refreshed_at).where(refreshes.c.name == NAME)
    with reading(engine) as connection:
        found: datetime | None = connection.execute(query).scalar()
    return found


def hold_refreshes(connection: sa.Connection) -> None:
    """Let no refresh run until this transaction ends; waits for one that runs.

    Whoever deletes a customer's predictions and latest score holds refreshes before: one that
    had read the predictions would bring the score back.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"select pg_advisory_xact_lock({REFRESH_LOCK})"))


def add_figures(connection: sa.Connection, added: Mapping[Key, Figures]) -> None:
    """Add to the figures that are there."""
    if not added:
        return
    table = score_minutes
    minutes = [key[0] for key in added]
    query = sa.select(table).where(table.c.minute.between(min(minutes), max(minutes)))
    known = {
        (row["minute"], row["model_version"], row["variant"], row["shadow"]): read_figures(row)
        for row in connection.execute(query).mappings()
    }
    rows: list[dict[str, Any]] = []
    for key, figures in added.items():
        total = known.get(key, Figures())
        total += figures
        rows.append(
            {
                "minute": key[0],
                "model_version": key[1],
                "variant": key[2],
                "shadow": key[3],
                "n": total.n,
                "n_unknown": total.n_unknown,
                "total": total.total,
                "bands": json.dumps(total.bands),
                "bins": json.dumps(total.bins),
            }
        )
    replace_rows(connection, table, rows)


def read_figures(row: sa.RowMapping) -> Figures:
    """A row of the table ``score_minutes``."""
    return Figures(
        row["n"],
        row["n_unknown"],
        row["total"],
        json.loads(row["bands"]),
        json.loads(row["bins"]),
    )


def _moment(value: datetime | str) -> datetime:
    if isinstance(value, str):
        return datetime.strptime(value, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
    return value.astimezone(UTC)
