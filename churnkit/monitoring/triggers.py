"""When a new model is due: by the calendar, by drift, by decay, by labels that have matured."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from churnkit.domain.frozen import Frozen
from churnkit.monitoring.alerts import Alert

Kind = Literal["schedule", "drift", "decay", "labels", "asked"]
_DECAY = ("quality", "concept_drift")


class TriggerRules(Frozen):
    """What makes a new model due; 0 or False: that never does.

    No trigger counts before ``fewest_days`` have passed since the newest model was made: a
    training whose cause persists would else begin again and again.
    """

    every_days: float = Field(0.0, ge=0)
    new_labels: int = Field(0, ge=0)
    drift: bool = True
    decay: bool = True
    fewest_days: float = Field(1.0, ge=0)


class TriggerFacts(Frozen):
    """What is known now.

    Parameters
    ----------
    newest_at : when the newest model was made
    new_labels : labels that matured since then, or labelled rows at later dates
    alerts : what monitoring says of the champion
    """

    now: datetime
    newest_at: datetime
    new_labels: int
    alerts: tuple[Alert, ...] = ()


class Trigger(Frozen):
    """One reason for a new model, in words."""

    kind: Kind
    what: str


def triggers(facts: TriggerFacts, rules: TriggerRules) -> tuple[Trigger, ...]:
    """All reasons for a new model; none: it is not due."""
    age = (facts.now - facts.newest_at).total_seconds() / 86_400
    if age < rules.fewest_days:
        return ()
    found: list[Trigger] = []
    if rules.every_days and age >= rules.every_days:
        what = f"the newest model is {age:.0f} days old; one is due every {rules.every_days:g}"
        found.append(Trigger(kind="schedule", what=what))
    if rules.new_labels and facts.new_labels >= rules.new_labels:
        what = f"{facts.new_labels:,} labels have matured since; {rules.new_labels:,} are enough"
        found.append(Trigger(kind="labels", what=what))
    if rules.drift:
        found += _of(facts.alerts, ("drift",), "drift")
    if rules.decay:
        found += _of(facts.alerts, _DECAY, "decay")
    return tuple(found)


def _of(alerts: Sequence[Alert], rules: Sequence[str], kind: Kind) -> list[Trigger]:
    """Information is no reason: what is proven may still be small."""
    return [
        Trigger(kind=kind, what=alert.what)
        for alert in alerts
        if alert.rule in rules and alert.severity != "info"
    ]
