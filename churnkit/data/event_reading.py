"""What is known of an imported log."""

from __future__ import annotations

from pathlib import Path

from churnkit.data.database import META, opened
from churnkit.data.event_tables import LOG_SCHEMA
from churnkit.domain.events import LogSchema
from churnkit.errors import DataEmpty


def read_log_schema(database: Path) -> LogSchema:
    """What was imported.

    Raises
    ------
    DataEmpty : no events were imported yet
    DataUnreadable : the file is damaged
    """
    with opened(database) as connection:
        rows = connection.execute(
            f"select value from {META} where key = ?", [LOG_SCHEMA]
        ).fetchall()
    if not rows:
        raise DataEmpty(
            "no events were imported into this project.",
            fix="Create a project of events with 'churnkit init DIR --data FILE --kind events'.",
            file=database,
        )
    return LogSchema.model_validate_json(rows[0][0])
