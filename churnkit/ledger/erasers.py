"""What each table of the ledger does to forget a customer, or how old its rows may become.

Every table is in one of these registries; a test fails for one that is not. A table with a column
``customer_id`` needs no entry: its rows of the customer are deleted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from churnkit.ledger.part_files import forget_contents, read_content
from churnkit.ledger.refreshing import hold_refreshes
from churnkit.ledger.tables import metadata
from churnkit.ledger.transactions import writing

Eraser = Callable[[sa.Connection, sa.Table, str], int]
"""Removes what a table knows of a customer; gives how many rows it removed."""

_LOCK_SECONDS = 30
_MAY_REWRITE = sa.text("select rolsuper from pg_roles where rolname = current_user")
_COMPRESSED = (b"PAR1", b"\x1f\x8b", b"PK\x03\x04")


def _of_predictions(connection: sa.Connection, table: sa.Table, customer_id: str) -> int:
    """Rows that name a prediction of the customer."""
    predictions = metadata.tables["predictions"]
    mine = sa.select(predictions.c.prediction_id).where(predictions.c.customer_id == customer_id)
    return connection.execute(sa.delete(table).where(table.c.prediction_id.in_(mine))).rowcount


def _of_documents(connection: sa.Connection, table: sa.Table, customer_id: str) -> int:
    """Rows whose JSON, as text or as bytes, holds the id as a string."""
    found = [
        _holds(connection, column, needle)
        for column in table.c
        if isinstance(column.type, sa.Text | sa.LargeBinary)
        for needle in _quoted(customer_id)
    ]
    return connection.execute(sa.delete(table).where(sa.or_(*found))).rowcount


def _of_files(connection: sa.Connection, table: sa.Table, customer_id: str) -> int:
    """Files in pieces that hold the id, or that are compressed, so that it cannot be told."""
    key = [table.c.job_id, table.c.name]
    wanted = customer_id.encode("utf-8", "surrogatepass")
    needles = {wanted, *(text[1:-1].encode() for text in _quoted(customer_id))}
    n = 0
    for job_id, name in connection.execute(sa.select(*key).distinct()).all():
        mine = sa.and_(table.c.job_id == job_id, table.c.name == name)
        numbers = sa.select(table.c.number).where(mine).order_by(table.c.number)
        rest, hit = b"", False
        for number in connection.execute(numbers).scalars().all():  # one is in memory at a time
            query = sa.select(table.c.place, table.c.content).where(mine, table.c.number == number)
            piece = read_content(connection, *connection.execute(query).one())
            # The id may lie across two pieces.
            content = rest + piece
            hit |= any(needle in content for needle in needles)
            hit |= piece.startswith(_COMPRESSED)
            rest = content[-max(map(len, needles)) :]
        if hit:
            forget_contents(connection, mine)
            n += connection.execute(sa.delete(table).where(mine)).rowcount
    return n


ERASERS: dict[str, Eraser] = {
    "drift_rows": _of_predictions,
    "rollout_failures": _of_predictions,
    "idempotency": _of_documents,
    "happenings": _of_documents,
    "jobs": _of_documents,
    "job_files": _of_files,
}
"""Of tables that know customers, but by another name than ``customer_id``."""

WITHOUT_CUSTOMERS: dict[str, str] = {
    "model_versions": "models",
    "metrics": "figures of many customers",
    "monthly_metrics": "figures of many customers",
    "journal": "holds pseudonyms; the chain must stay as it is",
    "online_layouts": "definitions",
    "api_keys": "who may call",
    "bundle_files": "models; aggregates only",
    "holdouts": "a salt and a share, no list",
    "alert_history": "alerts about models",
    "project_keys": "keys",
    "suppressions": "pseudonyms of those who were erased",
    "rollouts": "figures of many customers",
    "rollout_stages": "figures of many customers",
    "rollout_windows": "figures of many customers",
    "experiments": "plans and salts",
    "experiment_steps": "figures of many customers",
    "score_minutes": "figures of many customers",
    "service_minutes": "figures of many customers",
    "drift_streams": "figures of many customers",
    "refreshes": "how far a reading got",
    "replicas": "processes",
    "model_loads": "models",
    "retrainings": "figures of many customers",
}
"""Tables that know no customer, each with the reason."""


def unregistered() -> list[str]:
    """Tables of which nobody said how they forget a customer."""
    return [
        name
        for name, table in metadata.tables.items()
        if "customer_id" not in table.c and name not in ERASERS and name not in WITHOUT_CUSTOMERS
    ]


def erase_rows(connection: sa.Connection, customer_id: str) -> dict[str, int]:
    """Remove a customer from all tables, in the caller's transaction.

    Returns
    -------
    removed : rows by table, without zeros
    """
    hold_refreshes(connection)
    removed: dict[str, int] = {}
    # Those that look a customer up by his predictions come before the predictions.
    for name, eraser in ERASERS.items():
        table = metadata.tables.get(name)
        if table is not None:
            removed[name] = eraser(connection, table, customer_id)
    for name, table in metadata.tables.items():
        if "customer_id" in table.c and name not in ERASERS:
            mine = sa.delete(table).where(table.c.customer_id == customer_id)
            removed[name] = connection.execute(mine).rowcount
    return {name: n for name, n in removed.items() if n}


AGES = {
    "predictions": ("predictions", "made_at"),
    "outcomes": ("outcomes", "recorded_at"),
    "treatments": ("treatments", "at"),
    "idempotency": ("idempotency", "created_at"),
    "online_state": ("online_state", "updated_at"),
    "experiments": ("experiment_entries", "entered_at"),
    "rollout_windows": ("rollout_windows", "at"),
}
"""By setting: the table, and the column that its rows' age is counted from."""

_WITH_PREDICTIONS = "goes with the predictions"
_FEW = "few rows"
_FOR_EVER = "what the models' journal rests on"
NOT_AGED: dict[str, str] = {
    "latest_scores": _WITH_PREDICTIONS,
    "rollout_failures": _WITH_PREDICTIONS,
    "drift_rows": "taken in within minutes, or forgotten",
    "score_minutes": "service.figures_days",
    "service_minutes": "service.figures_days",
    "jobs": "service.job_hours, service.dataset_hours",
    "job_files": "goes with the jobs",
    "happenings": "service.feed_days",
    "replicas": "forgotten when they are not seen",
    "model_versions": _FOR_EVER,
    "metrics": _FOR_EVER,
    "journal": _FOR_EVER,
    "bundle_files": _FOR_EVER,
    "rollouts": _FOR_EVER,
    "rollout_stages": _FOR_EVER,
    "rollout_overrides": "the arms that a rollout's evidence rests on; erasing takes them",
    "experiments": _FOR_EVER,
    "experiment_steps": _FOR_EVER,
    "retrainings": _FOR_EVER,
    "suppressions": "whoever was erased stays away",
    "refreshes": _FEW,
    "model_loads": _FEW,
    "drift_streams": _FEW,
    "online_layouts": _FEW,
    "api_keys": _FEW,
    "holdouts": _FEW,
    "monthly_metrics": _FEW,
    "alert_history": _FEW,
    "project_keys": _FEW,
}
"""Tables that [retention] does not name: what bounds them, or why they are kept."""


def without_retention() -> list[str]:
    """Tables of which nobody said how long their rows are kept."""
    aged = {table for table, _ in AGES.values()}
    return [name for name in metadata.tables if name not in aged and name not in NOT_AGED]


def rows_before(engine: sa.Engine, name: str, before: datetime) -> int:
    """How many rows are older."""
    table, age = _aged(name)
    with engine.connect() as connection:
        query = sa.select(sa.func.count()).select_from(table).where(age < before)
        return int(connection.execute(query).scalar_one())


def delete_before(engine: sa.Engine, name: str, before: datetime) -> int:
    """Delete the rows that are older, and what hangs on them; returns how many rows."""
    table, age = _aged(name)
    with writing(engine) as connection:
        _overwrite(connection)
        if name == "predictions":
            old = sa.select(table.c.prediction_id).where(age < before)
            for other in metadata.tables.values():
                if other is not table and "prediction_id" in other.c:
                    connection.execute(sa.delete(other).where(other.c.prediction_id.in_(old)))
        return connection.execute(sa.delete(table).where(age < before)).rowcount


def _aged(name: str) -> tuple[sa.Table, sa.Column[datetime]]:
    table_name, column = AGES[name]
    table = metadata.tables[table_name]
    return table, table.c[column]


def _overwrite(connection: sa.Connection) -> None:
    """Deleted bytes do not stay in SQLite's file."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("pragma secure_delete = on")


def overwriting(connection: sa.Connection) -> None:
    """From now on what this connection deletes is overwritten (SQLite)."""
    _overwrite(connection)


def clean_pages(engine: sa.Engine, *, rewrite: bool = False) -> bool:
    """Leave no deleted bytes in free pages and logs; False where somebody kept it from that.

    On SQLite the file is written anew and the log emptied. On PostgreSQL the tables are vacuumed
    and their statistics, which quote frequent values, are made anew: free space of their pages is
    reused, and may hold old bytes until then, as its log and backups do until they expire.

    Parameters
    ----------
    rewrite : on PostgreSQL write the tables anew; each is locked meanwhile
    """
    if engine.dialect.name == "sqlite":
        return _clean_sqlite(engine)
    how = "full, analyze" if rewrite else "analyze"
    names = [f'"{name}"' for name in metadata.tables]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f"set lock_timeout = '{_LOCK_SECONDS}s'"))
        try:
            for name in names:
                connection.execute(sa.text(f"vacuum ({how}) {name}"))
        except sa.exc.OperationalError as error:
            if "lock timeout" in str(error):
                return False
            raise
        finally:
            connection.execute(sa.text("reset lock_timeout"))
        if rewrite and connection.execute(_MAY_REWRITE).scalar_one():
            connection.execute(sa.text("vacuum full pg_statistic"))
    return True


def _clean_sqlite(engine: sa.Engine) -> bool:
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        done = cursor.execute("pragma wal_checkpoint(truncate)").fetchone()
        cursor.execute("vacuum")
        done = cursor.execute("pragma wal_checkpoint(truncate)").fetchone()
        cursor.close()
        return not done or done[0] == 0
    except sqlite3.OperationalError as error:
        if "locked" in str(error).lower() or "busy" in str(error).lower():
            return False
        raise
    finally:
        raw.close()


def _holds(
    connection: sa.Connection, column: sa.Column[object], needle: str
) -> sa.ColumnElement[bool]:
    binary = isinstance(column.type, sa.LargeBinary)
    value = sa.literal(needle.encode() if binary else needle, sa.LargeBinary if binary else sa.Text)
    if connection.dialect.name == "sqlite":
        return sa.func.instr(column, value) > 0
    return sa.func.position(value.op("in")(column)) > 0


def _quoted(customer_id: str) -> set[str]:
    """The id as a string in JSON, plain and with escapes."""
    return {json.dumps(customer_id), json.dumps(customer_id, ensure_ascii=False)}
