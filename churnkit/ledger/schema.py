"""Which version the ledger's tables are of, and one version back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from churnkit.errors import StorageError
from churnkit.ledger.engine import MIGRATION_LOCK, current_revision, database_errors


@dataclass(frozen=True)
class Schema:
    """The tables' version.

    ``current`` is None in a database without tables; ``newest`` is the one that this churnkit
    makes. ``back`` is the version before the current one, None where a step back would lose what
    nothing else holds, or where this churnkit does not know the current one.
    """

    current: str | None
    newest: str
    back: str | None


def read_schema(engine: sa.Engine) -> Schema:
    """The version of the tables; nothing is changed.

    Raises
    ------
    StorageUnreachable : the database does not answer
    """
    script = ScriptDirectory.from_config(_config())
    newest = script.get_current_head()
    assert newest is not None
    with database_errors(engine), engine.connect() as connection:
        current = current_revision(connection)
    step = _step(script, current)
    before = step.down_revision if step is not None and hasattr(step.module, "downgrade") else None
    return Schema(current, newest, before if isinstance(before, str) else None)


def step_back(engine: sa.Engine) -> tuple[str, str]:
    """Bring the tables one version back, in one transaction; gives the versions before and after.

    Raises
    ------
    StorageError : there is no step back from here
    StorageUnreachable : the database does not answer
    """
    known = read_schema(engine)
    if known.current is None or known.back is None:
        raise StorageError(
            f"the tables cannot go back from version {known.current or 'none'}: what was recorded "
            "since would be lost, or this churnkit does not know that version.",
            fix="Restore the backup that was made before the upgrade (docs/operations.md).",
            database=engine.url.render_as_string(hide_password=True),
        )
    config = _config()
    locked = engine.execution_options(churnkit_mode="immediate")
    with database_errors(engine), locked.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"select pg_advisory_xact_lock({MIGRATION_LOCK})"))
        if current_revision(connection) != known.current:
            raise StorageError("somebody else changed the tables.", fix="Look again.")
        config.attributes["connection"] = connection
        command.downgrade(config, known.back)
    return known.current, known.back


def _step(script: ScriptDirectory, revision: str | None) -> Script | None:
    try:
        return script.get_revision(revision) if revision is not None else None
    except CommandError:  # of a later churnkit
        return None


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
