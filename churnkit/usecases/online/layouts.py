"""How online states are laid out: for the project as it is, and as the ledger keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache

from churnkit.domain.events import US_PER_DAY, LogSchema
from churnkit.errors import NoOnlineState
from churnkit.features.definitions import FeatureSet
from churnkit.features.online_layout import Layout, layout
from churnkit.ledger.online import OnlineStates
from churnkit.project import Project


def project_layout(project: Project, features: FeatureSet, schema: LogSchema) -> Layout:
    """The layout that the project's features and log have now."""
    lateness = project.settings.online.lateness_days
    return layout(features, schema, lateness_us=round(lateness * US_PER_DAY))


def describe_layout(plan: Layout) -> str:
    """The layout as the ledger keeps it."""
    return json.dumps(
        {
            "features": plan.features.model_dump(mode="json"),
            "schema": plan.schema.model_dump(mode="json"),
            "lateness_us": plan.lateness_us,
        }
    )


def stored_layouts(states: OnlineStates) -> Iterator[Layout]:
    """The layouts of the ledger, the newest first.

    Raises
    ------
    NoOnlineState : there is none
    """
    known = states.layouts()
    if not known:
        raise NoOnlineState(
            "there is no online state.", fix="Make it from the log with 'churnkit online rebuild'."
        )
    for text in reversed(known.values()):
        yield _stored(text)


@lru_cache(maxsize=16)
def _stored(text: str) -> Layout:
    raw = json.loads(text)
    return layout(
        FeatureSet.model_validate(raw["features"]),
        LogSchema.model_validate(raw["schema"]),
        lateness_us=raw["lateness_us"],
    )


def stored_layout(states: OnlineStates, feature_hash: str | None = None) -> Layout:
    """The ledger's newest layout, or the one of these features.

    Raises
    ------
    NoOnlineState : there is none
    """
    for plan in stored_layouts(states):
        if feature_hash in (None, plan.features.content_hash()):
            return plan
    raise NoOnlineState(
        "the online state was built for other features than the model reads.",
        fix="Make it anew with 'churnkit online rebuild'.",
        feature_hash=feature_hash,
    )
