"""Reach the ledger's database, and bring its tables up to date."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from churnkit.errors import (
    DiskFull,
    FolderReadOnly,
    LedgerBusy,
    MissingDependency,
    StorageError,
    StorageUnreachable,
)

MIGRATION_LOCK = 0x636875726E  # "churn"
_SQLITE_WAIT_MS = 30_000
_SQLITE_CACHE_KIB = 65_536
"""The usual 2 MB are too few for the indexes of a million predictions."""
_LOST_MACHINE = {
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 3,
}
"""In seconds: the server asks whether a silent client is still there, and after about 25 s lets go
of the locks of one that is not; by the system's own settings it takes two hours."""
_NO_SPACE = 1 << 20
"""Bytes; with less than this SQLite cannot even make the files that reading needs."""


@dataclass(frozen=True)
class Pool:
    """How many connections to PostgreSQL, and how long to wait for one and for an answer."""

    size: int = 5
    wait_seconds: float = 30.0
    answer_seconds: float | None = None


def make_engine(url: str, pool: Pool | None = None) -> sa.Engine:
    """An engine on SQLite or PostgreSQL.

    Parameters
    ----------
    pool : for PostgreSQL; SQLite opens its file for each transaction

    Raises
    ------
    StorageUnreachable : the URL cannot be understood
    MissingDependency : there is no driver for it
    """
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            file = Path(parsed.database or ":memory:")
            if file.is_file() and not _may_write(file):
                return _reading_engine(parsed, file)
            engine = sa.create_engine(parsed, poolclass=sa.NullPool)
            sa.event.listen(engine, "connect", _prepare_sqlite)
            sa.event.listen(engine, "begin", _begin_sqlite)
            return engine
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg2")
        pool = pool or Pool()
        return sa.create_engine(
            parsed,
            pool_pre_ping=True,
            pool_size=pool.size,
            max_overflow=0,
            pool_timeout=pool.wait_seconds,
            connect_args={"connect_timeout": 5, "options": _options(parsed, pool)},
        )
    except sa.exc.ArgumentError as error:
        raise StorageUnreachable(
            "ledger.url is no SQLAlchemy URL.", fix="Write it as 'postgresql://user@host/database'."
        ) from error
    except (sa.exc.NoSuchModuleError, ImportError) as error:
        raise MissingDependency(
            "there is no driver for this database.", fix="Use SQLite or PostgreSQL."
        ) from error


def _options(url: sa.URL, pool: Pool) -> str:
    """What each connection asks of the server; what the URL says itself comes last, and counts."""
    options = dict(_LOST_MACHINE)
    if pool.answer_seconds is not None:
        options["statement_timeout"] = int(1000 * pool.answer_seconds)
    own = url.query.get("options", "")
    said = [f"-c {name}={value}" for name, value in options.items()]
    return " ".join([*said, *([own] if isinstance(own, str) else own)])


def _may_write(file: Path) -> bool:
    return os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)


def _reading_engine(url: sa.URL, file: Path) -> sa.Engine:
    """For a ledger in a folder where nothing may be written: models still score from there.

    In WAL mode SQLite makes files even to read, unless it hears that the file does not change
    (https://www.sqlite.org/wal.html, "Read-Only Databases"). Changes that wait in the log
    would go unseen then, so where there are some it gets no such promise.
    """
    log = file.with_name(f"{file.name}-wal")
    settled = not log.exists() or not log.stat().st_size
    address = f"{file.resolve().as_uri()}?mode=ro{'&immutable=1' if settled else ''}"
    return sa.create_engine(
        url,
        poolclass=sa.NullPool,
        creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False),
    )


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    # SQLAlchemy says when a transaction begins; Python's own guess does not cover reads.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"pragma busy_timeout = {_SQLITE_WAIT_MS}")
    cursor.execute(f"pragma cache_size = -{_SQLITE_CACHE_KIB}")
    cursor.execute("pragma journal_mode = wal")
    cursor.execute("pragma synchronous = full")
    cursor.execute("pragma foreign_keys = on")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    mode = connection.get_execution_options().get("churnkit_mode", "deferred")
    connection.exec_driver_sql(f"begin {mode}")


@contextmanager
def database_errors(engine: sa.Engine) -> Iterator[None]:
    """Turn the database's refusals into ours; none of them shows a password.

    Raises
    ------
    DiskFull, FolderReadOnly : SQLite cannot write its file
    StorageUnreachable : the database does not answer, or refuses us
    LedgerBusy : no connection became free in time
    """
    place = engine.url.render_as_string(hide_password=True)
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise LedgerBusy(
            "all connections to the ledger's database are busy.",
            fix="Try again after a while, or raise service.pool_size.",
            database=place,
        ) from error
    except (sa.exc.OperationalError, sa.exc.InternalError, sa.exc.DatabaseError) as error:
        if isinstance(error, sa.exc.IntegrityError | sa.exc.ProgrammingError | sa.exc.DataError):
            raise
        said = str(error.orig).strip()
        lowered = said.lower()
        if "disk is full" in lowered or "no space left" in lowered or _no_space(engine, lowered):
            raise DiskFull(
                "the disk is full; nothing was changed.",
                fix="Free some space and run the command again.",
                database=place,
            ) from error
        if "readonly" in lowered or "read-only" in lowered or "unable to open" in lowered:
            raise FolderReadOnly(
                "churnkit may not write the ledger.",
                fix="Give yourself write permission to the file and its folder.",
                database=place,
            ) from error
        raise StorageUnreachable(
            f"the ledger's database refuses: {said.splitlines()[0] if said else 'no reason given'}",
            fix="Check ledger.url in churnkit.toml, that the database runs, and try again.",
            database=place,
        ) from error


def _no_space(engine: sa.Engine, said: str) -> bool:
    """SQLite says 'disk I/O error', too, where there is no room for its shared memory."""
    file = engine.url.database
    if "disk i/o error" not in said or engine.dialect.name != "sqlite" or not file:
        return False
    return shutil.disk_usage(Path(file).parent).free < _NO_SPACE


def migrate(engine: sa.Engine) -> None:
    """Make the tables, or bring them up to date; of several processes one does it.

    Raises
    ------
    StorageError : the database was made by a later churnkit
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)
    with database_errors(engine):
        with engine.connect() as connection, connection.begin():
            if current_revision(connection) == script.get_current_head():
                return
        locked = engine.execution_options(churnkit_mode="immediate")
        with locked.connect() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text(f"select pg_advisory_xact_lock({MIGRATION_LOCK})"))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise StorageError(
                    "the ledger was written by a later churnkit.",
                    fix="Install that version of churnkit.",
                    database=engine.url.render_as_string(hide_password=True),
                ) from error


def current_revision(connection: sa.Connection) -> str | None:
    """The version of the tables; None: there are none yet."""
    if not sa.inspect(connection).has_table("churnkit_migrations"):
        return None
    found = connection.execute(sa.text("select version_num from churnkit_migrations")).scalar()
    return None if found is None else str(found)
