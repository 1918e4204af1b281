"""How the whole stands, for whoever watches a running service: figures, drift, the rollout.

It is read from the ledger, so that every replica says the same of what they share.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from churnkit.domain.rollouts import RolloutRow
from churnkit.ledger.refreshing import refreshed_at
from churnkit.ledger.rollouts import open_rollout
from churnkit.monitoring.alerts import AlertRules, drift_alerts
from churnkit.project import Project
from churnkit.rollout.gathered import Gathered
from churnkit.rollout.plan import budget
from churnkit.usecases.monitoring.drifting import drift_reports
from churnkit.usecases.rollouts.steps import plan_of, position_of

CONDITIONS = ("running", "paused")
SEVERITIES = ("info", "warning", "critical")
Drifted = Mapping[tuple[str, str, str], int]
"""(model version, kind of the stream, severity) → columns whose drift is proven."""


@dataclass(frozen=True)
class RolloutStanding:
    """The rollout that is open.

    ``mismatch_p_value`` bounds the probability that the arms' counts are ever this far from
    their shares by chance, in [0, 1]; ``mismatch`` says whether that refutes the shares by the
    plan. ``awaits_person`` : all is proven that the plan asks for, and it leaves the step to a
    person.
    """

    rollout_id: str
    condition: str
    stage: int
    """0: shadow."""
    stage_since: datetime
    looked_at: datetime
    """When a controller last looked; before the first look, when it began."""
    pairs: int
    mismatch_p_value: float
    mismatch: bool
    awaits_person: bool


@dataclass(frozen=True)
class Standing:
    """What all replicas share at this moment."""

    refreshed_at: datetime | None
    """Up to when latest scores and figures take predictions in; None: never yet."""
    rollout: RolloutStanding | None
    drift: Drifted


def standing(project: Project, now: datetime) -> Standing:
    """Ask the ledger how the whole stands.

    Raises
    ------
    StorageUnreachable : the database does not answer
    """
    engine = project.ledger.engine
    row = open_rollout(engine)
    return Standing(
        refreshed_at=refreshed_at(engine),
        rollout=None if row is None else _rollout(row),
        drift=_drift(project, now),
    )


def _rollout(row: RolloutRow) -> RolloutStanding:
    plan, position = plan_of(row), position_of(row)
    known = Gathered.model_validate(row.evidence)
    decision = row.decision
    return RolloutStanding(
        rollout_id=row.rollout_id,
        condition=position.condition,
        stage=position.stage,
        stage_since=position.stage_since,
        looked_at=row.looked_at or row.created_at,
        pairs=known.live.n,
        mismatch_p_value=min(1.0, math.exp(-known.ratio.log_evidence())),
        mismatch=known.ratio.mismatch(budget(plan, position.attempt).ratio),
        awaits_person=bool(decision) and decision.get("recommended") != decision.get("verdict"),
    )


def _drift(project: Project, now: datetime) -> Drifted:
    """By the newest stream of each kind of each version."""
    since = now - timedelta(days=project.settings.service.drift_days)
    found: dict[tuple[str, str, str], int] = {}
    seen: set[tuple[str, str]] = set()
    for drift in drift_reports(project, since=since):
        stream = (drift.model_version, drift.kind)
        if stream in seen:
            continue
        seen.add(stream)
        alerts = drift_alerts(drift.report, version=drift.model_version, rules=AlertRules())
        counted: Counter[str] = Counter(alert.severity for alert in alerts)
        for severity in SEVERITIES:
            found[(*stream, severity)] = counted[severity]
    return found
