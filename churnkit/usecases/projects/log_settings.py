"""What a new project of events is told and guesses: its columns, its facts, what churn means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from churnkit.data.column_facts import Sample, read_sample
from churnkit.data.event_import import LogImported
from churnkit.data.event_roles import LogRoles, Told
from churnkit.data.fact_roles import guess_attributes, guess_subscriptions
from churnkit.data.fact_sources import find_parts
from churnkit.data.sources import lasting_name
from churnkit.data.zones import shown_moment
from churnkit.domain.events import US_PER_DAY, Guess
from churnkit.errors import DataUnreadable, SettingsInvalid, UnknownEventType, did_you_mean
from churnkit.settings.churn import ChurnTable
from churnkit.settings.sources import AttributesTable, SubscriptionsTable
from churnkit.settings.whole import Settings
from churnkit.usecases.projects.asking import Answers, Choose, asking

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


def said_of_columns(told: LogOptions, answers: Answers) -> Told:
    """What was said of the log's columns, in the options or in answer to a question."""
    return Told(
        customer_id=answers.get("customer", told.customer_id),
        event_time=answers.get("event_time", told.time),
        event_type=told.type,
        known_at=answers.get("known_at", told.known_at),
        values=told.values,
        categories=told.categories,
        time_format=answers.get("time_format", told.time_format),
    )


def guess_settings(
    home: Path,
    name: str,
    sources: tuple[str, ...],
    told: LogOptions,
    roles: LogRoles,
    sample: Sample,
    choose: Choose | None,
) -> tuple[Settings, list[Guess]]:
    """The settings of a new project, all but [churn], and what was guessed for them.

    Raises
    ------
    SettingsInvalid : an option is not allowed
    DataError : attributes or subscriptions cannot be read, or a column is not there
    AmbiguousLog : it is not clear what a column is for, and nobody was there to choose
    """
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
        beside = _sample_beside(table, source, query, home)
        made, found = _guess_facts(table, beside, source, query, roles.customer_id, choose)
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
    return _checked(content), guesses


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

    return asking(guessed, choose)


def guess_churn(
    settings: Settings, told: LogOptions, imported: LogImported
) -> tuple[Settings, list[Guess]]:
    """The settings with [churn], and what was guessed for it from the imported log.

    Raises
    ------
    UnknownEventType : an activity is no type of event in the log
    """
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


def _checked(content: dict[str, object]) -> Settings:
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
