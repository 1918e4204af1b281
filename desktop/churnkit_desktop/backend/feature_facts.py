"""What a backend tells of features: definitions, one customer's timeline, values at a date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from churnkit_desktop.words import whole

Definition = Mapping[str, Any]
"""A feature as features.toml writes it: name, kind and the keys of its kind."""


@dataclass(frozen=True)
class FeatureLine:
    """One feature.

    ``kind``: event, ratio, trend, attribute or subscription.
    """

    name: str
    kind: str
    type: str
    """Of its values: integer, float, …"""
    meaning: str
    """The definition as a phrase."""
    definition: Definition


@dataclass(frozen=True)
class LogFacts:
    """What a feature may be made of."""

    zone: str
    event_types: tuple[str, ...]
    values: tuple[str, ...]
    """Number columns of events."""
    categories: tuple[str, ...]
    """Text columns of events."""
    attributes: tuple[str, ...]
    has_subscriptions: bool
    n_events: int
    n_customers: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True)
class FeatureFacts:
    """The project's features and the log that they are computed from."""

    lines: tuple[FeatureLine, ...]
    content_hash: str
    """Of features.toml; empty: there is none."""
    log: LogFacts
    file: str


@dataclass(frozen=True)
class TimelineFact:
    """An event, a change of attributes or the start of a subscription period."""

    table: str
    """event, attribute or subscription."""
    at: datetime
    known_at: datetime
    what: str
    shown: str


@dataclass(frozen=True)
class Timeline:
    """One customer along time, the oldest fact first."""

    customer_id: str
    zone: str
    n_events: int
    begins: datetime | None
    ends: datetime | None
    """Of the whole log."""
    facts: tuple[TimelineFact, ...]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Timeline:
        """From ``CustomerTimeline.to_json()``."""
        return cls(
            customer_id=told["customer_id"],
            zone=told["zone"],
            n_events=told["n_events"],
            begins=_moment(told["log_begins"]),
            ends=_moment(told["log_ends"]),
            facts=tuple(
                TimelineFact(
                    fact["table"],
                    datetime.fromisoformat(fact["time"]),
                    datetime.fromisoformat(fact["known_at"]),
                    fact["what"],
                    fact["shown"],
                )
                for fact in told["facts"]
            ),
        )


@dataclass(frozen=True)
class FeatureValue:
    """A feature of one customer at one moment, and what it came from."""

    name: str
    value: object
    meaning: str
    counted: int
    """Facts that counted."""
    grounds: tuple[str, ...]
    """What counted and what did not, in words; of a ratio or trend its parts."""


@dataclass(frozen=True)
class FeatureValues:
    """All features of one customer as of a moment."""

    customer_id: str
    as_of: datetime
    values: tuple[FeatureValue, ...]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> FeatureValues:
        """From ``ShownFeatures.to_json()``."""
        return cls(
            customer_id=told["customer_id"],
            as_of=datetime.fromisoformat(told["as_of"]),
            values=tuple(_value(feature) for feature in told["features"]),
        )


def _value(told: Mapping[str, Any]) -> FeatureValue:
    groups: Sequence[Mapping[str, Any]] = told["facts"]
    grounds = [f"{name} = {value}" for name, value in told["made_of"].items()]
    grounds += [f"{group['what']}: {whole(group['n'])}" for group in groups]
    counted = sum(group["n"] for group in groups if group["what"] in ("counted", "holds"))
    return FeatureValue(told["name"], told["value"], told["meaning"], counted, tuple(grounds))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
