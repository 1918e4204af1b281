"""Explain a customer's features down to the facts that they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from rich.console import Group, RenderableType

from churnkit.data.database import opened
from churnkit.data.event_reading import read_log_schema
from churnkit.data.zones import shown_moment
from churnkit.domain.events import LogSchema
from churnkit.domain.moments import from_us
from churnkit.errors import (
    FeatureError,
    UnknownCustomer,
    did_you_mean,
)
from churnkit.features.as_of import parse_as_of
from churnkit.features.checking import check_features
from churnkit.features.definitions import FeatureSet
from churnkit.features.explain import Origin, explain_features
from churnkit.features.facts import customer_number
from churnkit.features.moment import Moment
from churnkit.features.offline import stream_features
from churnkit.features.requests import ask
from churnkit.features.toml import (
    features_from_tables,
)
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.features.feature_set import AsOf, open_features
from churnkit.usecases.result import Result


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
