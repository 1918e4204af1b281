"""What to do with a rollout now. A pure function of the plan, the evidence and the time."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from churnkit.domain.frozen import Frozen
from churnkit.errors import EvidenceInvalid
from churnkit.rollout.evidence import StreamState
from churnkit.rollout.forecast import Supply
from churnkit.rollout.mixture import MeanState
from churnkit.rollout.plan import Plan, budget
from churnkit.rollout.position import Position
from churnkit.rollout.quantile import QuantileState
from churnkit.rollout.ratio import RatioEvidence
from churnkit.rollout.readings import Reading, read_gates, read_guardrails, read_latency
from churnkit.rollout.together import Together, together

Verdict = Literal["wait", "pause", "advance", "promote", "abort"]


class Signal(Frozen):
    """Something seen without labels: drift, agreement, an estimate. It may pause, no more."""

    name: str
    alarm: bool
    detail: str = ""
    lasting: bool = False
    """Whether nobody can go on in spite of it."""


class Evidence(Frozen):
    """All that a decision looks at."""

    position: Position
    live: StreamState = StreamState()
    history: StreamState | None = None
    """Pairs from before the rollout; looked at only if the plan accepts them."""
    errors: MeanState | None = None
    latency: QuantileState | None = None
    ratio: RatioEvidence = RatioEvidence()
    signals: tuple[Signal, ...] = ()
    customers_in_stage: int = Field(0, ge=0)
    """Whom both models scored since the stage began and, above share 0, the challenger answered."""
    supply: Supply | None = None
    """How many matured pairs of the live stream there will be; for the date of a verdict."""


class Decision(Frozen):
    """What is to be done, why, and on what it rests."""

    verdict: Verdict
    recommended: Verdict
    """What would be done if all were automatic; the plan may leave promotion or abort to a
    person."""
    changes: bool
    """Whether anything has to be done; False when the rollout stays as it is."""
    reason: str
    at: datetime
    attempt: int
    stage: str
    share: float
    next_share: float
    """The challenger's share once the decision is applied."""
    readings: tuple[Reading, ...]
    together: tuple[Together, ...] = ()
    """What the aborting guardrails on matured pairs show jointly, for each stream."""
    signals: tuple[Signal, ...] = ()
    """What was seen without labels."""
    alarms: tuple[str, ...] = ()
    """Names of what pauses it, or would if nobody had gone on in spite of it."""
    labels_needed: int | None = None
    """How many more matured pairs the verdict is expected to take; None: not known, or never."""
    expected_at: datetime | None = None


def decide(plan: Plan, evidence: Evidence, now: datetime) -> Decision:
    """Wait, pause, advance, promote or abort.

    In this order: what is over stays over; a breached guardrail, or harm that the guardrails show
    together, aborts (also while paused); a person's pause stays; a mismatched sample ratio, a
    breached pausing guardrail or a label-free alarm pauses, but for those that a person went on in
    spite of; then a stage whose minima have passed
    leads to the next one, and the last one to promotion if every gate holds.

    Raises
    ------
    EvidenceInvalid : the position is not one of this plan's stages
    """
    position = evidence.position
    if position.stage >= len(plan.stages):
        raise EvidenceInvalid(
            f"the rollout stands in stage {position.stage + 1}, and the plan has"
            f" {len(plan.stages)}.",
            fix="Judge a rollout by the plan that it was started with.",
        )
    split = budget(plan, position.attempt)
    gates = read_gates(plan, split, evidence.live, evidence.history, evidence.errors)
    rails = read_guardrails(plan, split, evidence.live, evidence.history, evidence.errors)
    latency = read_latency(plan, split, evidence.latency)
    readings = (*gates, *rails, *latency)
    stopping = [each for each in (*rails, *latency) if each.state == "breached"]
    joint = together(rails)
    aborting = [each.sentence() for each in stopping if each.action == "abort"]
    if not aborting:
        aborting = [each.sentence() for each in joint if each.breached]
    alarms = _alarms(evidence, split.ratio)
    alarms |= {each.metric: each.sentence() for each in stopping if each.action == "pause"}
    labels, expected_at = _outlook(plan, gates, evidence, now)

    def decision(
        verdict: Verdict, reason: str, *, changes: bool = True, recommended: Verdict | None = None
    ) -> Decision:
        share = position.share(plan)
        return Decision(
            verdict=verdict,
            recommended=recommended or verdict,
            changes=changes,
            reason=reason,
            at=now,
            attempt=position.attempt,
            stage=plan.stages[position.stage].name,
            share=share,
            next_share=_next_share(plan, position, verdict, share),
            readings=readings,
            together=joint,
            signals=evidence.signals,
            alarms=tuple(sorted(alarms)),
            labels_needed=labels,
            expected_at=expected_at,
        )

    if position.condition == "aborted":
        why = f"attempt {position.attempt} was aborted, which is final; a new attempt may start"
        return decision("abort", why, changes=False)
    if position.condition == "promoted":
        return decision("promote", "the challenger was promoted", changes=False)

    paused = position.condition == "paused"
    if aborting:
        why = "; ".join(aborting)
        if plan.automatic_abort:
            return decision("abort", why)
        why = f"{why}; the plan leaves the abort to a person"
        return decision("pause", why, changes=not paused, recommended="abort")
    if paused:
        return decision("pause", "paused until a person resumes it", changes=False)
    lasting = {signal.name for signal in evidence.signals if signal.lasting}
    heard = [
        why for name, why in alarms.items() if name in lasting or name not in position.overruled
    ]
    if heard:
        return decision("pause", "; ".join(heard))

    missing = _missing(plan, evidence, now)
    if missing:
        why = f"stage '{plan.stages[position.stage].name}' needs {missing}"
        return decision("wait", why, changes=False)
    if position.stage + 1 < len(plan.stages):
        following = plan.stages[position.stage + 1]
        why = f"the stage's minima have passed, no guardrail is breached; on to '{following.name}'"
        return decision("advance", why)
    open_gates = _open_gates(plan, gates)
    if open_gates:
        more = "no verdict is in sight yet"
        if labels is not None:
            more = f"about {labels:,} more matured pairs are expected"
        why = f"not proven yet: {', '.join(open_gates)}; {more}"
        return decision("wait", why, changes=False)
    why = "; ".join(each.sentence() for each in gates if each.state == "proven")
    if plan.automatic_promotion:
        return decision("promote", why)
    why = f"{why}; the plan leaves the promotion to a person"
    return decision("wait", why, changes=False, recommended="promote")


def _next_share(plan: Plan, position: Position, verdict: Verdict, share: float) -> float:
    if verdict == "advance":
        return plan.stages[position.stage + 1].share
    return {"promote": 1.0, "abort": 0.0}.get(verdict, share)


def _alarms(evidence: Evidence, alpha_ratio: float) -> dict[str, str]:
    """What asks for a pause without labels: name → sentence."""
    alarms: dict[str, str] = {}
    if evidence.ratio.mismatch(alpha_ratio):
        alarms["ratio"] = "the arms do not get the shares of customers that they should"
    for signal in evidence.signals:
        if signal.alarm:
            alarms[signal.name] = ": ".join(filter(None, (signal.name, signal.detail)))
    return alarms


def _missing(plan: Plan, evidence: Evidence, now: datetime) -> str:
    """What the stage still needs before it may be left; empty: nothing."""
    stage = plan.stages[evidence.position.stage]
    parts = []
    customers = stage.minimum_customers - evidence.customers_in_stage
    if customers > 0:
        parts.append(f"{customers:,} more customers")
    pairs = stage.minimum_pairs - evidence.live.n
    if pairs > 0:
        parts.append(f"{pairs:,} more matured pairs")
    until = evidence.position.stage_since + timedelta(days=stage.minimum_days)
    if now < until:
        parts.append(f"time until {until:%Y-%m-%d %H:%M}")
    return ", ".join(parts)


def _open_gates(plan: Plan, gates: tuple[Reading, ...]) -> list[str]:
    proven = {each.metric for each in gates if each.state == "proven"}
    return [gate.metric for gate in plan.gates if gate.metric not in proven]


def _outlook(
    plan: Plan, gates: tuple[Reading, ...], evidence: Evidence, now: datetime
) -> tuple[int | None, datetime | None]:
    """Labels and date of the last gate that is still open; 0 and now when all are proven."""
    still = _open_gates(plan, gates)
    if not still:
        return 0, now
    most = 0
    for metric in still:
        # History does not grow during a rollout, so only the live stream can still prove a gate.
        live = next(each for each in gates if each.metric == metric and each.stream == "live")
        if live.labels_needed is None:
            return None, None
        most = max(most, live.labels_needed)
    if evidence.supply is None or not math.isfinite(most):
        return most, None
    date = evidence.supply.date_of(evidence.live.n + most)
    return most, None if date is None else max(date, now)
