"""Make the online states from the log: what features of the present are read from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import RenderableType

from churnkit.data.database import opened
from churnkit.domain.moments import from_us, to_us
from churnkit.domain.progress import Cancel, Progress, silent
from churnkit.features.online_backfill import states_from_log
from churnkit.features.online_state import dump_state
from churnkit.ledger.online import OnlineStates
from churnkit.project import Project
from churnkit.usecases.features.feature_set import open_features
from churnkit.usecases.online.layouts import describe_layout, project_layout
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class OnlineBuilt(Result):
    """States made from the log."""

    n_customers: int
    feature_hash: str
    readable_from: datetime

    def __rich__(self) -> RenderableType:
        return (
            f"Online states of {self.n_customers:,} customers are in the ledger; they can be read "
            f"as of {self.readable_from:%Y-%m-%d %H:%M} UTC and later."
        )

    def to_json(self) -> dict[str, object]:
        return {
            "n_customers": self.n_customers,
            "feature_hash": self.feature_hash,
            "readable_from": self.readable_from.isoformat(),
        }


def rebuild_online(
    project: Project,
    *,
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> OnlineBuilt:
    """Make the states of the project's FeatureSet from its log, in place of what was there.

    Parameters
    ----------
    now : the moment up to which events count as delivered; None: the end of the log

    Raises
    ------
    FeatureError : features.toml is missing or cannot be used on this log
    """
    features, schema = open_features(project)
    plan = project_layout(project, features, schema)
    now_us = to_us(now) if now is not None else schema.known_until_us or 0
    with project.lease("building online states"), opened(project.database) as connection:
        made = states_from_log(connection, plan, now_us=now_us, progress=progress, cancel=cancel)
        n = OnlineStates(project.ledger).replace(
            plan.content_hash,
            ((name, dump_state(state)) for name, state in made),
            feature_hash=features.content_hash(),
            description=describe_layout(plan),
            at=datetime.now(UTC),
        )
    return OnlineBuilt(n, features.content_hash(), from_us(now_us - plan.lateness_us))
