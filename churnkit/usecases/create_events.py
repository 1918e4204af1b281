"""Create a project from a log of events, or see that the data is a table of customers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError
from rich.console import Group, RenderableType

from churnkit.data.column_facts import Sample, read_sample
from churnkit.data.event_import import LogImported, import_log
from churnkit.data.event_roles import LogRoles, Told, guess_log, recognise
from churnkit.data.fact_roles import guess_attributes, guess_subscriptions
from churnkit.data.fact_sources import find_parts
from churnkit.data.sources import lasting_name
from churnkit.data.zones import shown_moment
from churnkit.domain.events import US_PER_DAY, Guess
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.errors import (
    Ambiguous,
    AmbiguousLog,
    DataUnreadable,
    SettingsInvalid,
    UnknownEventType,
    did_you_mean,
    storage_errors,
)
from churnkit.project import Project, open_project
from churnkit.reporting.event_tables import guesses_table
from churnkit.settings.churn import ChurnTable
from churnkit.settings.file import write_settings
from churnkit.settings.sources import AttributesTable, SubscriptionsTable
from churnkit.settings.whole import Settings
from churnkit.usecases.create import refuse_existing
from churnkit.usecases.event_importing import FactsImported, project_requests
from churnkit.usecases.result import Result

Choose = Callable[[Ambiguous], str]
"""Answers a question with one of its ``options``."""
Answers = Mapping[str, str]
Made = TypeVar("Made")
_HORIZONS = (90, 60, 30, 14, 7, 1)


@dataclass(frozen=True)
class LogOptions:
    """What the person says of a log; empty: guess.

    ``activity`` are event types, ``horizon_days`` … are those of [churn].
    """

    customer_id: str = ""
    time: str = ""
    type: str = ""
    known_at: str = ""
    values: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    time_format: str = ""
    zone: str = "UTC"
    source_zone: str = ""
    query: str = ""
    attributes: str = ""
    attributes_query: str = ""
    subscriptions: str = ""
    subscriptions_query: str = ""
    activity: tuple[str, ...] = ()
    horizon_days: int | None = None
    lead_days: int = 0
    grace_days: int = 0
    eligible_days: int | None = None
    arrival_delay_days: float = 0.0


@dataclass(frozen=True, repr=False)
class LogCreated(Result):
    """A new project of events, and what was guessed about it."""

    project: Project
    guesses: tuple[Guess, ...]
    imported: LogImported

    def __rich__(self) -> RenderableType:
        return Group(
            f"Created the project '{self.project.settings.project.name}' from a log of events.",
            guesses_table(self.guesses),
            FactsImported(self.imported),
            "Is something wrong? Change it in churnkit.toml, then run 'churnkit import --rebuild'.",
        )

    def to_json(self) -> dict[str, object]:
        return {
            "folder": str(self.project.folder),
            "kind": "events",
            "guesses": [guess.model_dump(mode="json") for guess in self.guesses],
            "imported": self.imported.model_dump(mode="json"),
        }


def recognise_data(
    data: Sequence[str] | str, *, query: str = "", choose: Choose | None = None
) -> tuple[Literal["events", "snapshot"], str]:
    """Whether the data is a log of events or a table of customers, and the ground.

    Parameters
    ----------
    choose : asked when it is not clear; without it, it is taken for a table of customers

    Raises
    ------
    DataError : it cannot be read as a table
    """
    sources = [data] if isinstance(data, str) else list(data)
    if len(sources) == 1 and Path(sources[0]).suffix.lower() in (".xlsx", ".xlsm"):
        return "snapshot", "it is an Excel sheet"
    parts = find_parts(sources)
    sample = read_sample(parts, query=query)
    kind, ground = recognise(sample, len(parts))
    if kind == "odd":
        raise AmbiguousLog(
            f"this looks like a log of events, but {ground}.",
            fix="Write times as 2024-03-01T12:00, 01.03.2024, 03/01/2024 2:30 PM or seconds since "
            "1970; or say --kind snapshot if each row is a customer.",
            file=sample.name,
        )
    if kind == "unclear" and choose is not None:
        kind = choose(
            AmbiguousLog(
                f"Is it a log of events, or a snapshot with one row per customer? {ground}.",
                options=("events", "snapshot"),
                question="kind",
                file=sample.name,
            )
        )
        ground = "you said so"
    return ("events" if kind == "events" else "snapshot"), ground


def create_event_project(
    folder: Path | str,
    data: Sequence[str | Path] | str | Path,
    options: LogOptions | None = None,
    *,
    name: str | None = None,
    ground: str = "",
    choose: Choose | None = None,
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> LogCreated:
    """Create a project folder from a log of events.

    The folder becomes a project whole or not at all.

    Parameters
    ----------
    folder : where; it may exist, but holds no project yet
    data : files, globs, folders of partitioned Parquet, or a SQLAlchemy URL (with a query)
    options : what the person says; the rest is guessed, and each guess has its ground
    name : of the project; the folder's name if not given
    ground : why the data was taken for a log, if somebody looked
    choose : asked when a column is not clear; without it the error is raised
    now : the present; later facts do not say until when the log is known

    Raises
    ------
    ProjectExists : the folder holds a project
    DataError : the data cannot be read, or too many rows are broken
    AmbiguousLog : it is not clear what a column is for, and nobody was there to choose
    FolderReadOnly, DiskFull : the folder cannot be written
    """
    told = options or LogOptions()
    home = Path(folder).expanduser().resolve()
    refuse_existing(home)
    named = [data] if isinstance(data, str | Path) else list(data)
    sources = tuple(lasting_name(source, folder=home) for source in named)
    progress(Step("guessing what each column is for"))
    parts = find_parts(sources, home)
    sample = read_sample(parts, query=told.query)

    def guessed(answers: Answers) -> LogRoles:
        said = Told(told.customer_id, told.time, told.type, told.known_at, told.values,
                    told.categories, told.time_format)  # fmt: skip
        return guess_log(
            sample, parts, _answered(said, answers),
            query=told.query, progress=progress, cancel=cancel,
        )  # fmt: skip

    roles = _asking(guessed, choose)
    guesses = [Guess(what="data", value="a log of events", ground=ground or "you said so")]
    guesses += roles.guesses
    settings, more = _settings(home, name or home.name, sources, told, roles, sample, choose)
    guesses += more
    missing_before = not home.exists()
    with storage_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=".churnkit-new-", dir=home))
    try:
        store = workshop / "store"
        imported = import_log(
            settings, project_requests(settings, home), store / "churnkit.duckdb",
            store / "rejected", now=now or datetime.now(UTC), progress=progress, cancel=cancel,
        )  # fmt: skip
        settings, more = _with_churn(settings, told, imported)
        guesses += more
        with storage_errors(home):
            store.replace(home / "store")
        write_settings(home, settings)
    except BaseException:
        shutil.rmtree(workshop, ignore_errors=True)
        if missing_before and not any(home.iterdir()):
            home.rmdir()
        raise
    shutil.rmtree(workshop, ignore_errors=True)
    return LogCreated(open_project(home), tuple(guesses), _moved(imported, workshop, home))


def _asking(make: Callable[[Answers], Made], choose: Choose | None) -> Made:
    """Make something, and ask for what is not clear, each question once."""
    answers: dict[str, str] = {}
    while True:
        try:
            return make(answers)
        except AmbiguousLog as error:
            if choose is None or not error.options or error.question in answers:
                raise
            answers[error.question] = choose(error)


def _answered(said: Told, answers: Answers) -> Told:
    return replace(
        said,
        customer_id=answers.get("customer", said.customer_id),
        event_time=answers.get("event_time", said.event_time),
        known_at=answers.get("known_at", said.known_at),
        time_format=answers.get("time_format", said.time_format),
    )


def _settings(
    home: Path,
    name: str,
    sources: tuple[str, ...],
    told: LogOptions,
    roles: LogRoles,
    sample: Sample,
    choose: Choose | None,
) -> tuple[Settings, list[Guess]]:
    guesses = [
        Guess(
            what="zone",
            value=told.zone,
            ground="days begin there; times without a zone are read in "
            + (told.source_zone or told.zone),
        )
    ]
    content: dict[str, object] = {
        "project": {"name": name, "zone": told.zone},
        "events": {
            "source": sources, "query": told.query, "customer_id": roles.customer_id,
            "event_time": roles.event_time, "event_type": roles.event_type,
            "known_at": roles.known_at, "values": roles.values,
            "round_values": roles.round_values, "categories": roles.categories,
            "time_format": roles.time_format, "decimal_mark": roles.decimal_mark,
            "key": told.key, "source_zone": told.source_zone,
            "arrival_delay_days": told.arrival_delay_days,
        },
    }  # fmt: skip
    for table, given, query in (
        ("attributes", told.attributes, told.attributes_query),
        ("subscriptions", told.subscriptions, told.subscriptions_query),
    ):
        if not given:
            continue
        source = lasting_name(given, folder=home)
        made, found = _guess_facts(
            table, _sample_beside(table, source, query, home), source, query,
            roles.customer_id, choose,
        )  # fmt: skip
        content[table] = made.model_copy(
            update={"arrival_delay_days": told.arrival_delay_days, "source_zone": told.source_zone}
        ).model_dump()
        guesses += found
    for column in told.key:
        if sample.column(column) is None:
            raise DataUnreadable(
                f"there is no column '{column}' for the key.",
                fix=did_you_mean(column, sample.table.column_names),
                column=column,
            )
    return checked_settings(content), guesses


def _sample_beside(table: str, source: str, query: str, home: Path) -> Sample:
    if "://" in source and not query.strip():
        raise DataUnreadable(
            "a database needs a query.",
            fix=f"Give one with --{table}-query.",
            option=f"--{table}-query",
        )
    return read_sample(find_parts([source], home), query=query)


def _guess_facts(
    table: str, sample: Sample, source: str, query: str, id_column: str, choose: Choose | None
) -> tuple[AttributesTable | SubscriptionsTable, tuple[Guess, ...]]:
    guess = guess_attributes if table == "attributes" else guess_subscriptions

    def guessed(
        answers: Answers,
    ) -> tuple[AttributesTable | SubscriptionsTable, tuple[Guess, ...]]:
        return guess(sample, source, query=query, id_column=id_column, told=answers)

    return _asking(guessed, choose)


def _with_churn(
    settings: Settings, told: LogOptions, imported: LogImported
) -> tuple[Settings, list[Guess]]:
    log = imported.log
    for kind in told.activity:
        if kind not in log.event_types:
            raise UnknownEventType(
                f"the log has no events of the type '{kind}'.",
                fix=did_you_mean(kind, log.event_types),
                option="--activity",
            )
    span = ((log.last_us or 0) - (log.first_us or 0)) / US_PER_DAY
    horizon = told.horizon_days
    ground = "you said so"
    if horizon is None:
        horizon = next((days for days in _HORIZONS if days * 4 <= span), 1)
        ground = f"the log spans {span:,.0f} days; another one with --horizon"
    kind = "contractual" if log.has_subscriptions else "non_contractual"
    churn = ChurnTable(
        kind=kind, activity=told.activity, horizon_days=horizon, lead_days=told.lead_days,
        grace_days=told.grace_days, eligible_days=told.eligible_days,
        history_days=min(90, max(int(span) // 4, 0)),
    )  # fmt: skip
    types = ", ".join(told.activity or log.event_types[:8])
    if kind == "contractual":
        meaning = f"a subscription ends without renewal within {told.grace_days} days"
    else:
        meaning = f"no activity ({types}) for the horizon"
    eligible = "has a running subscription" if kind == "contractual" else (
        f"was active within {told.eligible_days} days" if told.eligible_days else "was ever active"
    )  # fmt: skip
    guesses = [
        Guess(what="churn", value=kind, ground=meaning),
        Guess(what="horizon", value=f"{horizon} days", ground=ground),
        Guess(what="eligible", value="everyone", ground=f"who {eligible}"),
    ]
    if log.events_until_us is not None:
        guesses.append(
            Guess(
                what="known until",
                value=shown_moment(log.events_until_us, log.zone),
                ground="the latest fact; labels that need later ones are not matured",
            )
        )
    return settings.model_copy(update={"churn": churn}), guesses


def checked_settings(content: dict[str, object]) -> Settings:
    """Settings from parts that a person gave.

    Raises
    ------
    SettingsInvalid : a part is not allowed
    """
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsInvalid(
            f"{first['msg'].removeprefix('Value error, ')}.",
            fix="Give another value.",
            field=".".join(map(str, first["loc"])),
        ) from error


def _moved(imported: LogImported, workshop: Path, home: Path) -> LogImported:
    tables = tuple(
        table.model_copy(
            update={"rejected_file": table.rejected_file.replace(str(workshop), str(home), 1)}
        )
        for table in imported.tables
    )
    return imported.model_copy(update={"tables": tables})
