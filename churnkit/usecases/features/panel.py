"""The labelled rows that a model learns from: imported as they are, or built from events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.database import opened
from churnkit.data.event_tables import CUSTOMERS
from churnkit.data.importing import read_entry, write_table
from churnkit.data.reading import read_arrow, read_schema
from churnkit.domain.columns import ColumnKind, TableColumn, TableSchema
from churnkit.domain.labels import Panel
from churnkit.domain.moments import from_us
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.features.compile import column_kind
from churnkit.features.definitions import FeatureSet
from churnkit.features.labels import label_table
from churnkit.features.offline import stream_features
from churnkit.features.panel import Calendar, panel
from churnkit.features.requests import ask
from churnkit.project import Project
from churnkit.settings.sources import BUILT_COLUMNS
from churnkit.usecases.features.feature_set import open_features, suggest_features
from churnkit.usecases.features.labels import project_calendar

_STAMP = "built_from"
_MAX_CATEGORIES = 1_000
_KINDS: dict[str, ColumnKind] = {
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "category": "category",
}


@dataclass(frozen=True)
class LearningRows:
    """What a model learns from and is judged on.

    Attributes
    ----------
    test_from : of a panel the first date of the test; None: the table is a snapshot
    features : of a panel the set that built its columns
    ground : of a panel which dates it has, and why
    """

    table: pa.Table
    schema: TableSchema
    test_from: datetime | None = None
    features: FeatureSet | None = None
    ground: str = ""


def learning_rows(
    project: Project,
    *,
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> LearningRows:
    """The imported customers; in a project of events the panel, built anew if it is stale.

    A project of events without features.toml gets the proposal of ``suggest_features``.

    Parameters
    ----------
    now : the present; labels that need later facts are not matured

    Raises
    ------
    DataEmpty : nothing was imported yet
    LabelsNotMatured : the log is too short for the churn definition
    FeatureError : features.toml does not fit the log
    """
    if project.settings.events is None:
        progress(Step("reading the customers"))
        return LearningRows(read_arrow(project.database), read_schema(project.database))
    calendar = project_calendar(project, now=now)
    if not project.features_file.exists():
        progress(Step("proposing features"))
        suggest_features(project)
    features, _ = open_features(project)
    dates = panel(calendar)
    stamp = _stamp(calendar, features, dates)
    if read_entry(project.training_database, _STAMP) != stamp:
        table = _build(project, calendar, features, dates, progress, cancel)
        write_table(
            table,
            _described(table, features, calendar),
            project.training_database,
            source="the panel built from events",
            entries={_STAMP: stamp},
        )
    progress(Step("reading the panel"))
    return LearningRows(
        table=read_arrow(project.training_database),
        schema=read_schema(project.training_database),
        test_from=from_us(dates.test_us),
        features=features,
        ground=dates.ground,
    )


def _stamp(calendar: Calendar, features: FeatureSet, dates: Panel) -> str:
    """What the panel follows from; it is built again when any of it changes."""
    parts = [
        calendar.log.fingerprint,
        calendar.log.zone,
        calendar.arrival_delay_days,
        features.content_hash(),
        calendar.churn.model_dump(mode="json"),
        dates.model_dump(mode="json", exclude={"ground"}),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _build(
    project: Project,
    calendar: Calendar,
    features: FeatureSet,
    dates: Panel,
    progress: Progress,
    cancel: Cancel | None,
) -> pa.Table:
    progress(Step("finding who churned", None, f"{len(dates.dates_us)} dates"))
    labels = label_table(project.database, calendar, dates.dates_us)
    with opened(project.database) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("labels", labels)
        named = connection.sql(
            f"select customer_id, make_timestamptz(as_of_us) as as_of, churned "
            f"from labels join {CUSTOMERS} using (customer_no)"
        ).to_arrow_table()
        connection.unregister("labels")
        pairs = named.select(["customer_id", "as_of"])
        asked = ask(connection, calendar.log.zone, pairs=pairs)
        batches = list(
            stream_features(
                connection, features, calendar.log, asked, progress=progress, cancel=cancel
            )
        )
        connection.register("features", pa.Table.from_batches(batches))
        connection.register("named", named)
        # One order, whatever the engine's threads did: the fingerprint depends on it.
        table = connection.sql(
            "select f.*, n.churned from features f join named n using (customer_id, as_of) "
            "order by as_of, customer_id"
        ).to_arrow_table()
    at = table.schema.get_field_index("as_of")
    return table.set_column(at, "as_of", table.column(at).cast(pa.timestamp("us", tz="UTC")))


def _described(table: pa.Table, features: FeatureSet, calendar: Calendar) -> Sequence[TableColumn]:
    kinds = {one.name: column_kind(one, calendar.log) for one in features.features}
    columns = [
        TableColumn(name=BUILT_COLUMNS["id"], kind="category"),
        TableColumn(name=BUILT_COLUMNS["time"], kind="time"),
    ]
    for name, kind in kinds.items():
        categories = None
        if kind == "category":
            seen = pc.drop_null(pc.unique(table.column(name)))
            if len(seen) <= _MAX_CATEGORIES:
                categories = tuple(sorted(seen.to_pylist()))
        columns.append(TableColumn(name=name, kind=_KINDS[kind], categories=categories))
    columns.append(TableColumn(name=BUILT_COLUMNS["target"], kind="boolean"))
    return columns
