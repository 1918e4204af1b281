"""Editing definitions as values, and the moments of a timeline."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from churnkit_desktop.backend.feature_facts import Definition, Timeline
from churnkit_desktop.language import tr
from churnkit_desktop.words import date_of, figure

Definitions = tuple[Definition, ...]
AGGREGATES = {
    "count": tr("number of events"),
    "sum": tr("sum"),
    "mean": tr("mean"),
    "min": tr("lowest"),
    "max": tr("highest"),
    "distinct": tr("different values"),
    "active_days": tr("days with an event"),
    "recency_days": tr("days since the last event"),
    "since_first_days": tr("days since the first event"),
    "mean_gap_days": tr("mean days between events"),
}
NEEDS_VALUE = ("sum", "mean", "min", "max")
KINDS = {
    "event": tr("from events"),
    "ratio": tr("ratio"),
    "trend": tr("trend"),
    "attribute": tr("attribute"),
    "subscription": tr("subscription"),
}
FIGURES = {
    "tenure_days": tr("days as a customer"),
    "days_to_end": tr("days to the end"),
    "periods": tr("number of periods"),
}
_CONDITION = re.compile(
    r"^\s*(?P<column>[^\s=!<>]+)\s*"
    r"(?P<op>>=|<=|!=|=|>|<|not in|in|missing|present)\s*(?P<value>.*)$"
)


class FilterUnreadable(ValueError):
    """A filter that is not written as one."""


def find(definitions: Definitions, name: str) -> Definition | None:
    """The definition of this name."""
    return next((one for one in definitions if one["name"] == name), None)


def replaced(definitions: Definitions, name: str, new: Definition) -> Definitions:
    """With another definition in the place of one; who names it follows a new name."""
    changed = tuple(new if one["name"] == name else one for one in definitions)
    if new["name"] == name:
        return changed
    return tuple(_renamed(one, name, str(new["name"])) for one in changed)


def removed(definitions: Definitions, name: str) -> Definitions:
    """Without a definition."""
    return tuple(one for one in definitions if one["name"] != name)


def added(definitions: Definitions, near: str = "") -> tuple[Definitions, str]:
    """With a new count of events after the one of a name, and what it is called."""
    taken = {str(one["name"]) for one in definitions}
    number = 1
    while tr("feature_{number}").format(number=number) in taken:
        number += 1
    name = tr("feature_{number}").format(number=number)
    new: Definition = {"kind": "event", "name": name, "aggregate": "count", "window_days": 30}
    places = [i for i, one in enumerate(definitions) if one["name"] == near]
    at = places[0] + 1 if places else len(definitions)
    return (*definitions[:at], new, *definitions[at:]), name


def users_of(definitions: Definitions, name: str) -> tuple[str, ...]:
    """The ratios and trends that are made of a feature."""
    return tuple(
        str(one["name"])
        for one in definitions
        if name in (one.get(key) for key in ("numerator", "denominator", "recent", "base"))
    )


def _renamed(one: Definition, old: str, new: str) -> Definition:
    keys = ("numerator", "denominator", "recent", "base")
    return {key: new if key in keys and value == old else value for key, value in one.items()}


def plain_meaning(meaning: str) -> str:
    """What a feature is, with the library's names for aggregates in words."""
    first, _, rest = meaning.partition(" ")
    said = (AGGREGATES if "_" in first else {}).get(first) or FIGURES.get(first)
    if said is None or rest.startswith("/"):
        return meaning
    return f"{said}, {rest}" if rest else said


def filter_text(where: Sequence[Mapping[str, Any]]) -> str:
    """Conditions as a person writes them: ``price >= 10; channel in web, shop``."""
    return "; ".join(
        " ".join(filter(None, (str(one["column"]), str(one["op"]), _said(one.get("value")))))
        for one in where
    )


def read_filter(text: str) -> list[dict[str, Any]]:
    """Conditions from what a person wrote.

    Raises
    ------
    FilterUnreadable : a part is no condition
    """
    found: list[dict[str, Any]] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = _CONDITION.match(part)
        if match is None:
            raise FilterUnreadable(
                tr(
                    "“{part}” is no condition. Write one like “price >= 10; channel in web, shop”."
                ).format(part=part)
            )
        condition: dict[str, Any] = {"column": match["column"], "op": match["op"]}
        value = match["value"].strip()
        if match["op"] in ("in", "not in"):
            condition["value"] = [word.strip() for word in value.split(",") if word.strip()]
        elif match["op"] not in ("missing", "present"):
            if not value:
                raise FilterUnreadable(tr("“{part}” says no value.").format(part=part))
            condition["value"] = _number(value)
        found.append(condition)
    return found


def _said(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def cleaned(kind: str, entered: Mapping[str, Any]) -> Definition:
    """What was entered as a definition of its kind: keys of other kinds are left out."""
    keys = {
        "event": ("aggregate", "column", "event_types", "where", "window_days"),
        "ratio": ("numerator", "denominator"),
        "trend": ("recent", "base"),
        "attribute": ("column",),
        "subscription": ("figure",),
    }[kind]
    definition: dict[str, Any] = {"kind": kind, "name": entered["name"]}
    for key in keys:
        value = entered.get(key)
        if value in (None, "", (), []):
            continue
        if key == "column" and kind == "event" and not takes_column(str(entered["aggregate"])):
            continue
        definition[key] = value
    return definition


def takes_column(aggregate: str) -> bool:
    """Whether an aggregate is one of a column."""
    return aggregate in NEEDS_VALUE or aggregate == "distinct"


# --- moments ------------------------------------------------------------------------------


def midnight(day: date, zone: str) -> datetime:
    """The first moment of a day in the project's zone."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))


def snapped(seconds: float, timeline: Timeline) -> datetime:
    """The midnight nearest to a place on the axis, within a day of the log."""
    low = timeline.begins.timestamp() if timeline.begins else seconds
    high = timeline.ends.timestamp() + 86_400 if timeline.ends else seconds
    held = min(max(seconds, low), high)
    moment = datetime.fromtimestamp(held + 43_200, ZoneInfo(timeline.zone))
    return midnight(moment.date(), timeline.zone)


@dataclass(frozen=True)
class Split:
    """Facts on the axis, as (seconds, row, text): known at a date, and not yet."""

    known: tuple[tuple[float, float, str], ...]
    later: tuple[tuple[float, float, str], ...]


def rows_of(timeline: Timeline) -> tuple[str, ...]:
    """What stands at the left of the axis, from the bottom up."""
    kinds = {fact.what: fact.table for fact in timeline.facts}
    order = {"subscription": 0, "attribute": 1, "event": 2}
    return tuple(sorted(kinds, key=lambda what: (order[kinds[what]], what)))


def split_at(timeline: Timeline, as_of: datetime) -> Split:
    """Which facts count at a date: those that happened and were known."""
    place = {what: float(i) for i, what in enumerate(rows_of(timeline))}
    known: list[tuple[float, float, str]] = []
    later: list[tuple[float, float, str]] = []
    for fact in timeline.facts:
        text = f"{fact.what}: {fact.shown}" if fact.shown else fact.what
        if fact.known_at != fact.at:
            text += tr(" (known {known_at})").format(known_at=date_of(fact.known_at))
        counts = fact.at <= as_of and fact.known_at <= as_of
        (known if counts else later).append((fact.at.timestamp(), place[fact.what], text))
    return Split(tuple(known), tuple(later))


def shown_value(value: object) -> str:
    """A feature's value for a person."""
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return figure(value, 6) if isinstance(value, int | float) else str(value)
