"""Features of a project folder that has a log of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import churnkit
from churnkit.domain.events import LogSchema
from churnkit.project import Project
from churnkit.usecases.features.editing import check_definitions, read_log
from churnkit.usecases.features.feature_set import FeatureList
from churnkit.usecases.features.timelines import log_customers
from churnkit_desktop.backend.feature_facts import (
    Definition,
    FeatureFacts,
    FeatureLine,
    FeatureValues,
    LogFacts,
    Timeline,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DERIVED = ("type", "meaning")


def features(project: Project) -> FeatureFacts:
    """The definitions; none where features.toml is missing."""
    file = str(project.features_file)
    if not project.features_file.exists():
        return FeatureFacts((), "", _log(read_log(project)), file)
    listed = churnkit.list_features(project)
    return FeatureFacts(
        lines=_lines(listed),
        content_hash=listed.features.content_hash(),
        log=_log(listed.schema),
        file=file,
    )


def check_features(project: Project, definitions: Sequence[Definition]) -> tuple[FeatureLine, ...]:
    """The same definitions with types and meanings."""
    return _lines(check_definitions(project, definitions))


def find_customers(project: Project, search: str) -> tuple[tuple[str, int], ...]:
    """Customers of the log and their number of events."""
    return log_customers(project, search)


def timeline(project: Project, customer_id: str) -> Timeline:
    """One customer along time."""
    return Timeline.of(churnkit.customer_timeline(project, customer_id).to_json())


def feature_values(
    project: Project, customer_id: str, as_of: datetime, definitions: Sequence[Definition]
) -> FeatureValues:
    """The values that these definitions give."""
    shown = churnkit.show_features(project, customer_id, as_of, at_most=0, definitions=definitions)
    return FeatureValues.of(shown.to_json())


def _lines(listed: FeatureList) -> tuple[FeatureLine, ...]:
    told = listed.to_json()["features"]
    assert isinstance(told, list)
    return tuple(_line(one) for one in told)


def _line(told: Mapping[str, Any]) -> FeatureLine:
    return FeatureLine(
        name=told["name"],
        kind=told["kind"],
        type=told["type"],
        meaning=told["meaning"],
        definition={key: value for key, value in told.items() if key not in _DERIVED},
    )


def _log(schema: LogSchema) -> LogFacts:
    return LogFacts(
        zone=schema.zone,
        event_types=schema.event_types,
        values=tuple(column.name for column in schema.values),
        categories=schema.categories,
        attributes=tuple(column.name for column in schema.attributes),
        has_subscriptions=schema.has_subscriptions,
        n_events=schema.n_events,
        n_customers=schema.n_customers,
        first_at=_moment(schema.first_us),
        last_at=_moment(schema.last_us),
    )


def _moment(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + timedelta(microseconds=us)
