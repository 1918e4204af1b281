"""Features of an event project: propose, list, build, and explain down to the events."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table

from churnkit.data.database import opened
from churnkit.data.event_reading import read_log_schema
from churnkit.data.event_tables import ATTRIBUTES, CUSTOMERS, EVENTS, SUBSCRIPTIONS
from churnkit.data.writing import open_writer
from churnkit.data.zones import shown_moment
from churnkit.domain.events import US_PER_DAY, LogSchema
from churnkit.domain.moments import from_us
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.errors import (
    FeatureError,
    LabelsNotMatured,
    ProjectExists,
    UnknownCustomer,
    did_you_mean,
    storage_errors,
)
from churnkit.features.as_of import parse_as_of
from churnkit.features.checking import check_features
from churnkit.features.compile import column_kind
from churnkit.features.definitions import FeatureSet
from churnkit.features.explain import Origin, explain_features, meaning
from churnkit.features.facts import customer_number
from churnkit.features.moment import Moment
from churnkit.features.offline import memory_within, stream_features
from churnkit.features.panel import panel
from churnkit.features.requests import ask
from churnkit.features.suggest import look_at
from churnkit.features.suggest import suggest_features as propose
from churnkit.features.toml import (
    FILE_NAME,
    features_from_tables,
    read_features,
    write_features,
)
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.labels import project_calendar
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import ErasureWatch

SCHEMA_FILE = "log_schema.json"
AsOf = datetime | str
"""A moment with its zone, or a text as ``--as-of`` takes it."""


def open_features(project: Project) -> tuple[FeatureSet, LogSchema]:
    """The project's checked FeatureSet, and the log that it is computed from.

    Raises
    ------
    FeatureError : features.toml is missing or cannot be used on this log
    DataEmpty : no events were imported
    """
    schema = read_log_schema(project.database)
    path = project.features_file
    features = read_features(path)
    check_features(features, schema, file=path)
    return features, schema


# --- suggest and list -------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class FeatureList(Result):
    """The features of a set, and what they mean."""

    features: FeatureSet
    schema: LogSchema
    head: str
    grounds: tuple[str, ...] = ()

    def __rich__(self) -> RenderableType:
        view = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("feature", "type", "what it is"):
            view.add_column(name)
        for feature in self.features.features:
            kind = column_kind(feature, self.schema)
            view.add_row(feature.name, kind, escape_text(meaning(feature)))
        lines = [escape_text(text) for text in (self.head, *self.grounds)]
        return Group(*lines, view)

    def to_json(self) -> dict[str, object]:
        return {
            "content_hash": self.features.content_hash(),
            "grounds": list(self.grounds),
            "features": [
                {
                    **feature.model_dump(mode="json", exclude_defaults=True),
                    "kind": feature.kind,
                    "type": column_kind(feature, self.schema),
                    "meaning": meaning(feature),
                }
                for feature in self.features.features
            ],
        }


def suggest_features(project: Project, *, force: bool = False) -> FeatureList:
    """Propose about 40 features from what the log holds, and write features.toml.

    Parameters
    ----------
    force : replace a features.toml that is there

    Raises
    ------
    DataEmpty : no events were imported
    FeaturesExist : there is a features.toml, and ``force`` is not set
    """
    schema = read_log_schema(project.database)
    activity = project.settings.churn.activity
    with opened(project.database) as connection:
        facts = look_at(connection, schema, activity=activity)
    suggestion = propose(schema, facts, activity=activity, history_days=_history_days(project))
    path = project.features_file
    check_features(suggestion.features, schema, file=path)
    write_features(path, suggestion.features, replace=force)
    head = f"Wrote {len(suggestion.features.features)} features to {path}; edit them freely."
    return FeatureList(suggestion.features, schema, head, suggestion.grounds)


def _history_days(project: Project) -> int | None:
    """How long the log is at the first date to learn from; None: it is too short for a panel."""
    calendar = project_calendar(project)
    try:
        first = panel(calendar).train_us[0]
    except LabelsNotMatured:
        return None
    return max(1, int((first - calendar.first_us) // US_PER_DAY))


def list_features(project: Project) -> FeatureList:
    """The project's features, checked against its log.

    Raises
    ------
    FeatureError : features.toml is missing or cannot be used on this log
    """
    features, schema = open_features(project)
    head = f"{len(features.features)} features, content hash {features.content_hash()[:12]}."
    return FeatureList(features, schema, head)


# --- build ------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class BuiltFeatures(Result):
    """Features of customers at moments."""

    n_rows: int
    moments: tuple[datetime, ...]
    names: tuple[str, ...]
    zone: str
    feature_hash: str
    output: Path | None
    table: pa.Table | None
    """customer_id, as_of and the features, when no output file was named."""
    unknown: int
    """Requested customers of whom the log knows nothing."""
    missing: dict[str, int] = field(default_factory=dict)
    """Feature → rows without a value, where there are any."""

    def to_pandas(self) -> Any:
        """The features as a pandas DataFrame (only when no output file was named)."""
        return None if self.table is None else self.table.to_pandas()

    def __rich__(self) -> RenderableType:
        where = f" into {self.output}" if self.output else ""
        dates = [shown_moment(Moment.of(moment, self.zone).as_of_us, self.zone)
                 for moment in self.moments]  # fmt: skip
        shown = ", ".join(dates[:6]) + (f" … {dates[-1]}" if len(dates) > 6 else "")
        lines: list[RenderableType] = [
            escape_text(
                f"Built {len(self.names)} features of {self.n_rows:,} rows{where} "
                f"(as of {shown}, {self.zone})."
            )
        ]
        if self.unknown:
            lines.append(f"{self.unknown:,} customers are not in the log; their rows are empty.")
        often = sorted(self.missing.items(), key=lambda item: -item[1])
        if often and self.n_rows:
            told = ", ".join(f"{name} {n / self.n_rows:.0%}" for name, n in often[:6])
            lines.append(escape_text(f"Missing values: {told}{' …' if len(often) > 6 else ''}"))
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        return {
            "n_rows": self.n_rows,
            "as_of": [moment.isoformat() for moment in self.moments],
            "features": list(self.names),
            "feature_hash": self.feature_hash,
            "output": str(self.output) if self.output else None,
            "unknown_customers": self.unknown,
            "missing": self.missing,
        }


def build_features(
    project: Project,
    as_of: AsOf | Sequence[AsOf],
    output: Path | str | None = None,
    *,
    customers: Sequence[str] | None = None,
    memory_bytes: int | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> BuiltFeatures:
    """Compute the project's features for many customers at one or many moments.

    Parameters
    ----------
    as_of : moments with a zone, or texts: a date is that midnight in the project's zone
    output : a .parquet or .csv file; None keeps the rows in ``result.table``
    customers : their ids; None: all customers of the log
    memory_bytes : how much memory may be used; what does not fit goes to the disk

    Raises
    ------
    FeatureError, AsOfInvalid : features.toml or a moment cannot be used
    FolderReadOnly, DiskFull : the output cannot be written; a file that was there is unchanged
    """
    features, schema = open_features(project)
    given = [as_of] if isinstance(as_of, str | datetime) else list(as_of)
    moments = [parse_as_of(one, schema.zone) if isinstance(one, str) else one for one in given]
    path = None if output is None else Path(output).expanduser()
    names = tuple(feature.name for feature in features.features)
    kept: list[pa.RecordBatch] = []
    n_rows, nulls = 0, dict.fromkeys(names, 0)
    erasures = None if path is None else ErasureWatch(project)
    with ExitStack() as stack:
        writing = stack.enter_context(ExitStack())
        writer = writing.enter_context(open_writer(path)) if path else None
        connection = stack.enter_context(opened(project.database))
        stack.enter_context(memory_within(connection, memory_bytes, project.store))
        progress(Step("building features", None, f"{len(moments)} dates"))
        ids = None if customers is None else pa.array(list(customers), pa.string())
        asked = ask(connection, schema.zone, as_of=moments, customers=ids)
        for batch in stream_features(
            connection,
            features,
            schema,
            asked,
            memory_bytes=memory_bytes,
            progress=progress,
            cancel=cancel,
        ):
            if writer is None:
                kept.append(batch)
            else:
                writer.write(batch)
            n_rows += batch.num_rows
            for name in names:
                nulls[name] += batch.column(name).null_count
        if erasures is not None:
            with erasures.keeping(path):
                writing.close()
    return BuiltFeatures(
        n_rows=n_rows,
        moments=tuple(from_us(moment.as_of_us) for moment in asked.moments),
        names=names,
        zone=schema.zone,
        feature_hash=features.content_hash(),
        output=path,
        table=pa.Table.from_batches(kept) if writer is None else None,
        unknown=asked.n_unknown,
        missing={name: n for name, n in nulls.items() if n},
    )


# --- export -----------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class ExportedTables(Result):
    """Where the tables of the log were written for Spark."""

    folder: Path
    rows: dict[str, int]

    def __rich__(self) -> RenderableType:
        told = ", ".join(f"{name} {n:,}" for name, n in self.rows.items())
        return escape_text(
            f"Wrote {told} rows, the log's schema and features.toml to {self.folder}."
        )

    def to_json(self) -> dict[str, object]:
        return {"folder": str(self.folder), "rows": self.rows}


def export_features(
    project: Project, folder: Path | str, *, progress: Progress = silent
) -> ExportedTables:
    """Write what Spark needs to build the same features: Parquet tables, schema, features.toml.

    Parameters
    ----------
    folder : a new folder; it appears whole or not at all

    Raises
    ------
    ProjectExists : the folder is there already
    FeatureError : features.toml cannot be used
    """
    features, schema = open_features(project)
    path = Path(folder).expanduser()
    if path.exists():
        raise ProjectExists("the folder is there already.", fix="Name a new one.", folder=path)
    rows: dict[str, int] = {}
    erasures = ErasureWatch(project)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as work,
            opened(project.database) as connection,
        ):
            whole = Path(work) / "tables"
            whole.mkdir()
            for name in (CUSTOMERS, EVENTS, ATTRIBUTES, SUBSCRIPTIONS):
                progress(Step(f"writing {name}"))
                file = str(whole / f"{name}.parquet").replace("'", "''")
                kinds = "REPLACE (CAST(event_type AS VARCHAR) AS event_type)" * (name == EVENTS)
                found = connection.execute(
                    f"COPY (SELECT * {kinds} FROM {name}) TO '{file}' (FORMAT parquet)"
                ).fetchall()
                rows[name] = int(found[0][0])
            (whole / SCHEMA_FILE).write_text(schema.model_dump_json(indent=1), encoding="utf-8")
            write_features(whole / FILE_NAME, features)
            with erasures.keeping(path):
                whole.rename(path)
    return ExportedTables(path, rows)


# --- show -------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class ShownFeatures(Result):
    """One customer's features at a moment, with the facts that they came from."""

    customer_id: str
    as_of: datetime
    zone: str
    origins: tuple[Origin, ...]

    def __rich__(self) -> RenderableType:
        us = Moment.of(self.as_of, self.zone).as_of_us
        lines: list[RenderableType] = [
            escape_text(
                f"Customer {self.customer_id} as of {shown_moment(us, self.zone)} ({self.zone})"
            )
        ]
        for origin in self.origins:
            lines.append(
                f"\n[bold]{escape_text(origin.feature.name)}[/bold] = "
                f"{escape_text(_shown(origin.value))}   "
                f"[dim]{escape_text(origin.meaning)}[/dim]"
            )
            lines += [f"  {escape_text(text)}" for text in self._facts(origin)]
        return Group(*lines)

    def _facts(self, origin: Origin) -> list[str]:
        if origin.made_of:
            return [f"{name} = {_shown(value)}" for name, value in origin.made_of]
        lines = []
        for group in origin.groups:
            lines.append(f"{group.what}: {group.n:,}")
            for fact in group.facts:
                late = fact.known_us != fact.t_us
                known = f" (known {shown_moment(fact.known_us, self.zone)})" if late else ""
                lines.append(f"    {shown_moment(fact.t_us, self.zone)}  {fact.shown}{known}")
            if group.n > len(group.facts):
                lines.append(f"    … {group.n - len(group.facts):,} more")
        return lines or ["no fact of this customer"]

    def to_json(self) -> dict[str, object]:
        def moment(us: int) -> str:
            return from_us(us).isoformat()

        return {
            "customer_id": self.customer_id,
            "as_of": self.as_of.isoformat(),
            "features": [
                {
                    "name": origin.feature.name,
                    "value": origin.value,
                    "meaning": origin.meaning,
                    "made_of": dict(origin.made_of),
                    "facts": [
                        {
                            "what": group.what,
                            "n": group.n,
                            "shown": [
                                {
                                    "time": moment(fact.t_us),
                                    "known_at": moment(fact.known_us),
                                    "fact": fact.shown,
                                }
                                for fact in group.facts
                            ],
                        }
                        for group in origin.groups
                    ],
                }
                for origin in self.origins
            ],
        }


def show_features(
    project: Project,
    customer: str,
    as_of: AsOf,
    *,
    names: Sequence[str] = (),
    at_most: int = 5,
    definitions: Sequence[Mapping[str, Any]] | None = None,
) -> ShownFeatures:
    """Explain a customer's features at a moment down to the events that they came from.

    Parameters
    ----------
    customer : the customer's id
    as_of : a moment with a zone, or a text: a date is that midnight in the project's zone
    names : only these features; none: all
    at_most : so many facts are shown of each group; all are counted
    definitions : features to compute instead of those of features.toml, with its keys

    Raises
    ------
    UnknownCustomer : the log has no such customer
    FeatureError, AsOfInvalid : features.toml, a name or the moment cannot be used
    """
    features, schema = (
        open_features(project) if definitions is None else _given(project, definitions)
    )
    chosen = _only(features, names, project.features_file)
    when = parse_as_of(as_of, schema.zone) if isinstance(as_of, str) else as_of
    with opened(project.database) as connection:
        # All rows are fetched: DuckDB does no other work while a result is unfinished.
        number = known_customer(connection, customer)
        asked = ask(connection, schema.zone, as_of=[when], customers=pa.array([customer]))
        (batch,) = stream_features(connection, features, schema, asked)
        values = batch.to_pylist()[0]
        (moment,) = asked.moments
        origins = explain_features(
            connection, chosen, schema, values,
            customer_no=number, moment=moment, at_most=at_most,
        )  # fmt: skip
    return ShownFeatures(customer, from_us(moment.as_of_us), schema.zone, tuple(origins))


def known_customer(connection: duckdb.DuckDBPyConnection, customer: str) -> int:
    """The number of a customer in the log.

    Raises
    ------
    UnknownCustomer : the log has no such customer
    """
    number = customer_number(connection, customer)
    if number is None:
        raise UnknownCustomer(
            f"there is no customer '{customer}' in the log.",
            fix="Look at the ids in your data; leading zeros and case count.",
            customer=customer,
        )
    return number


def _given(
    project: Project, definitions: Sequence[Mapping[str, Any]]
) -> tuple[FeatureSet, LogSchema]:
    schema = read_log_schema(project.database)
    features = features_from_tables(definitions)
    check_features(features, schema)
    return features, schema


def _only(features: FeatureSet, names: Sequence[str], file: Path) -> FeatureSet:
    known = {feature.name: feature for feature in features.features}
    for name in names:
        if name not in known:
            raise FeatureError(
                f"there is no feature '{name}'.",
                fix=did_you_mean(name, known),
                file=file,
                feature=name,
            )
    return FeatureSet(features=tuple(known[name] for name in names)) if names else features


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
