"""Small logs by hand, and projects' settings for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from churnkit.data.event_import import LogImported, import_log
from churnkit.data.fact_import import FactTable, Request
from churnkit.data.fact_sources import find_parts
from churnkit.settings.sources import EventsTable
from churnkit.settings.whole import ProjectTable, Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS = {
    "customer_id": "customer",
    "event_time": "time",
    "event_type": "type",
    "values": {"amount": 2},
}


def log_settings(
    zone: str = "UTC", tables: Mapping[str, object] | None = None, **events: object
) -> Settings:
    """Settings of a log with the columns customer, time, type and amount."""
    told = EventsTable.model_validate({"source": ("log.csv",), **EVENTS, **events})
    project = ProjectTable(name="log", zone=zone)
    return Settings.model_validate({"project": project, "events": told, **(tables or {})})


def import_into(
    folder: Path,
    settings: Settings,
    *sources: Path | str,
    into: FactTable = "events",
    rebuild: bool = False,
) -> LogImported:
    """Import files into ``folder/store``."""
    request = Request(into, find_parts([str(source) for source in sources]))
    return import_log(
        settings, [request], folder / "store" / "churnkit.duckdb",
        folder / "store" / "rejected", now=NOW, rebuild=rebuild,
    )  # fmt: skip


def written(path: Path, *lines: str) -> Path:
    """A text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(folder: Path, sql: str) -> Sequence[tuple[object, ...]]:
    """What a statement gives on the project's database."""
    with duckdb.connect(str(folder / "store" / "churnkit.duckdb"), read_only=True) as connection:
        return list(connection.execute(sql).fetchall())
