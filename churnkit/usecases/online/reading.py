"""Features of the present, read from the online states that events keep up to date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.data.zones import shown_moment
from churnkit.domain.moments import to_us
from churnkit.features.as_of import parse_as_of
from churnkit.features.online_read import Value, read_features
from churnkit.features.online_state import load_state
from churnkit.ledger.online import OnlineStates
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.features.feature_set import AsOf
from churnkit.usecases.online.layouts import stored_layout
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class OnlineFeatures(Result):
    """One customer's features, read from the online state."""

    customer_id: str
    as_of: datetime
    zone: str
    values: dict[str, Value]
    known: bool

    def __rich__(self) -> RenderableType:
        view = Table(box=None, pad_edge=False, header_style="bold")
        view.add_column("feature")
        view.add_column("value", justify="right")
        for name, value in self.values.items():
            shown = f"{value:.6g}" if isinstance(value, float) else str(value)
            view.add_row(name, "missing" if value is None else escape_text(shown))
        head = f"Customer {self.customer_id} as of {shown_moment(to_us(self.as_of), self.zone)}"
        lines: list[RenderableType] = [Text(head), view]
        if not self.known:
            lines.append("No event of this customer has come yet.")
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        return {
            "customer_id": self.customer_id,
            "as_of": self.as_of.isoformat(),
            "known": self.known,
            "values": self.values,
        }


def show_online(project: Project, customer_id: str, *, as_of: AsOf | None = None) -> OnlineFeatures:
    """One customer's features from the online state.

    Raises
    ------
    NoOnlineState, MomentTooOld, AsOfInvalid : it cannot be read
    """
    if isinstance(as_of, str):
        as_of = parse_as_of(as_of, project.settings.project.zone)
    return online_features(project, [customer_id], as_of=as_of)[0]


def online_features(
    project: Project,
    customer_ids: Sequence[str],
    *,
    as_of: datetime | None = None,
    feature_hash: str | None = None,
) -> tuple[OnlineFeatures, ...]:
    """Read the features of customers as of a moment.

    Parameters
    ----------
    as_of : None: the present
    feature_hash : of the FeatureSet that is wanted; None: the newest one

    Raises
    ------
    NoOnlineState : there are no states of this set
    MomentTooOld : the states have already summed up later events
    """
    states = OnlineStates(project.ledger)
    plan = stored_layout(states, feature_hash)
    moment = as_of or datetime.now(UTC)
    found = states.read(plan.content_hash, list(customer_ids))
    return tuple(
        OnlineFeatures(
            customer_id=name,
            as_of=moment,
            zone=plan.schema.zone,
            values=read_features(
                load_state(found[name]) if name in found else None, plan, as_of_us=to_us(moment)
            ),
            known=name in found,
        )
        for name in customer_ids
    )
