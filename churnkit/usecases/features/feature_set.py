"""The FeatureSet of an event project: open, propose and list it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table

from churnkit.data.database import opened
from churnkit.data.event_reading import read_log_schema
from churnkit.domain.events import US_PER_DAY, LogSchema
from churnkit.errors import (
    LabelsNotMatured,
)
from churnkit.features.checking import check_features
from churnkit.features.compile import column_kind
from churnkit.features.definitions import FeatureSet
from churnkit.features.explain import meaning
from churnkit.features.panel import panel
from churnkit.features.suggest import look_at
from churnkit.features.suggest import suggest_features as propose
from churnkit.features.toml import (
    read_features,
    write_features,
)
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.features.labels import project_calendar
from churnkit.usecases.result import Result

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
