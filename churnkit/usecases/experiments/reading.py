"""What may be read off an experiment now: counts, ratio, differences, time to churn."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from churnkit.data.zones import midnight_us
from churnkit.domain.experiments import (
    ArmReading,
    EffectPoint,
    EffectReading,
    ExperimentPlan,
    ExperimentRow,
    ExperimentState,
    ExperimentStatus,
    HazardReading,
    RatioReading,
)
from churnkit.domain.moments import from_us
from churnkit.project import Project
from churnkit.registry.journal import holders
from churnkit.rollout.difference import (
    difference_bets,
    difference_limit,
    differences,
    offsets,
    variance_saved,
)
from churnkit.rollout.logrank import LogRank, risk_sets
from churnkit.rollout.mixture import MeanSequence
from churnkit.rollout.ratio import RatioEvidence
from churnkit.usecases.experiments.entries import take_answered
from churnkit.usecases.experiments.outcomes import Followed, follow
from churnkit.usecases.outcomes.label_spans import label_spans

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_POINTS = 60
_EPOCH = date(1970, 1, 1)


def read_experiment(project: Project, row: ExperimentRow, *, now: datetime) -> ExperimentStatus:
    """Take in who was answered, and read off what has matured."""
    take_answered(project, row)
    plan, seen = row.planned, follow(project, row, now=now)
    ratio = _ratio(plan, seen)
    withheld = _withheld(plan, ratio)
    y = _outcomes(project, plan, seen)
    effects: list[EffectReading] = []
    hazards: list[HazardReading] = []
    if not withheld:
        for arm in plan.arms[1:]:
            for outcome in plan.outcomes:
                if outcome == "time_to_churn":
                    hazards.append(_hazard(project, plan, seen, arm.name))
                else:
                    effects.append(_effect(plan, seen, y[outcome], arm.name, outcome))
    return ExperimentStatus(
        experiment=row,
        at=now,
        condition="running" if row.stopped_at is None else "stopped",
        arms=tuple(_arm(plan, seen, y, arm.name, withheld=bool(withheld)) for arm in plan.arms),
        ratio=ratio,
        effects=tuple(effects),
        hazards=tuple(hazards),
        withheld=withheld,
        matured_until=seen.last_day.isoformat() if seen.last_day else None,
        waiting_for=seen.waiting_for,
        notes=_notes(project, row, seen),
    )


def _ratio(plan: ExperimentPlan, seen: Followed) -> RatioReading:
    """Whether the arms got their shares, of who entered and of whose outcome counts."""
    shares = [arm.weight for arm in plan.arms]

    def against(arms: npt.NDArray[np.str_]) -> float:
        counts = [int((arms == arm.name).sum()) for arm in plan.arms]
        return RatioEvidence().count(shares, counts).log_evidence()

    entered, counted = against(seen.given), against(seen.arm[seen.counted])
    need = math.log(2 / plan.alpha_ratio)
    return RatioReading(
        log_evidence=entered,
        log_evidence_counted=counted,
        alpha=plan.alpha_ratio,
        mismatch=max(entered, counted) >= need,
    )


def _withheld(plan: ExperimentPlan, ratio: RatioReading) -> str:
    if not ratio.mismatch:
        return ""
    need = math.log(2 / plan.alpha_ratio)
    where = (
        "the arms did not get their shares of the customers"
        if ratio.log_evidence >= need
        else "outcomes are missing more often in one arm than in another"
    )
    return (
        f"{where} (sample-ratio mismatch; wrongly claimed with probability {plan.alpha_ratio:g}, "
        "ever). A difference between such arms is not the arms' doing. Find the cause, and start "
        "a new experiment."
    )


def _outcomes(project: Project, plan: ExperimentPlan, seen: Followed) -> dict[str, Floats]:
    """Each outcome in [0, 1]; revenue in units of its cap."""
    stayed = seen.stayed.astype(np.float64)
    found = {"retention": stayed}
    if plan.revenue_cap is not None:
        worth = project.settings.money.customer_value
        value = np.where(np.isnan(seen.value), worth, seen.value)
        found["revenue"] = stayed * np.clip(value / plan.revenue_cap, 0.0, 1.0)
    return found


def _effect(
    plan: ExperimentPlan, seen: Followed, y: Floats, arm: str, outcome: str
) -> EffectReading:
    """The difference between an arm and the control."""
    control, mine = plan.control, plan.arm(arm)
    rows = seen.counted & ((seen.arm == arm) | (seen.arm == control.name))
    share = mine.weight / (mine.weight + control.weight)
    values, in_arm, score = y[rows], seen.arm[rows] == arm, seen.score[rows]
    adjusted = plan.adjust and bool((~np.isnan(score)).any())
    plain = differences(values, in_arm, offsets(values, in_arm, share=share).offset, share=share)
    used, coefficient, saved = plain, None, None
    if adjusted:
        told = offsets(values, in_arm, share=share, score=score)
        used = differences(values, in_arm, told.offset, share=share)
        coefficient = float(told.coefficient[-1])
        saved = variance_saved(used, plain)
    unit, cost = 1.0, 0.0
    if outcome == "revenue" and plan.revenue_cap is not None:
        unit, cost = plan.revenue_cap, mine.cost - control.cost
    path = _path(plan, used, seen.day[rows], share, unit=unit, cost=cost)
    last = path[-1] if path else None
    return EffectReading.model_validate(
        {
            "arm": arm,
            "against": control.name,
            "outcome": outcome,
            "n": len(used),
            "estimate": last.estimate if last else None,
            "lower": last.lower if last else None,
            "upper": last.upper if last else None,
            "alpha": plan.alpha_each,
            "state": _state(last.lower, last.upper) if last else "open",
            "adjusted": adjusted,
            "coefficient": coefficient,
            "variance_saved": saved,
            "path": path,
        }
    )


def _path(
    plan: ExperimentPlan,
    used: Floats,
    day: npt.NDArray[np.int64],
    share: float,
    *,
    unit: float,
    cost: float,
) -> tuple[EffectPoint, ...]:
    """The bounds after the days of entry, at most ``_POINTS`` of them, with the last one."""
    if not len(used):
        return ()
    bets = difference_bets(plan.smallest_effect, share)
    sequence = MeanSequence(limit=difference_limit(share))
    ends = np.append(np.flatnonzero(np.diff(day)) + 1, len(day))
    if len(ends) > _POINTS:
        ends = ends[np.linspace(0, len(ends) - 1, _POINTS).round().astype(np.int64)]
    points, start = [], 0
    for end in ends.tolist():
        sequence.update(used[start:end])
        start = end
        half = plan.alpha_each / 2
        # A difference of outcomes in [0, 1] is in [-1, 1], whatever the weights allow.
        lower = max(sequence.lower(half, bets=bets), -1.0)
        upper = min(sequence.upper(half, bets=bets), 1.0)
        points.append(
            EffectPoint(
                day=(_EPOCH + timedelta(days=int(day[end - 1]))).isoformat(),
                n=end,
                estimate=unit * sequence.mean - cost,
                lower=unit * lower - cost,
                upper=unit * upper - cost,
            )
        )
    return tuple(points)


def _hazard(project: Project, plan: ExperimentPlan, seen: Followed, arm: str) -> HazardReading:
    """The ratio of the hazards of leaving, by the log-rank test."""
    control = plan.control.name
    rows = (seen.arm == arm) | (seen.arm == control)
    spans = label_spans(project)
    if spans.known_last:  # cohorts enter it as a whole, once they have matured
        rows &= seen.due
    sets = risk_sets(
        entered=seen.followed_from[rows],
        left=seen.left[rows],
        until=seen.followed_until[rows],
        in_arm=seen.arm[rows] == arm,
        known_until=-1 if seen.known_until is None else seen.known_until,
    )
    test = LogRank(sets, hazard_ratio=plan.hazard_ratio)
    alpha = plan.alpha_each
    ratio, lower, upper = test.interval(alpha) if test.events else (None, None, None)
    bounded = upper is not None and math.isfinite(upper)
    state: ExperimentState = "open"
    # The evidence itself decides: a bound may differ from it by a rounding error.
    if ratio is not None and test.log_evidence() >= -math.log(alpha):
        state = "better" if ratio < 1 else "worse"
    return HazardReading(
        arm=arm,
        against=control,
        events=test.events,
        events_arm=test.events_arm,
        ratio=ratio,
        lower=lower,
        upper=upper if bounded else None,
        log_evidence=test.log_evidence(),
        alpha=alpha,
        state=state,
        followed_until=None
        if seen.known_until is None
        else from_us(midnight_us(seen.known_until + 1, spans.zone)),
    )


def _arm(
    plan: ExperimentPlan, seen: Followed, y: dict[str, Floats], name: str, *, withheld: bool
) -> ArmReading:
    mine = seen.arm == name
    counted = mine & seen.counted
    known = bool(counted.any()) and not withheld
    money = known and "revenue" in plan.outcomes and plan.revenue_cap is not None
    return ArmReading(
        arm=name,
        weight=plan.arm(name).weight,
        entered=int(mine.sum()),
        counted=int(counted.sum()),
        missing=int((mine & seen.missing).sum()),
        crossed=int((mine & (seen.given != name)).sum()),
        retained=float(y["retention"][counted].mean()) if known else None,
        revenue=float((plan.revenue_cap or 0.0) * y["revenue"][counted].mean()) if money else None,
    )


def _notes(project: Project, row: ExperimentRow, seen: Followed) -> tuple[str, ...]:
    notes = []
    plan, n = row.planned, int(seen.counted.sum())
    if plan.adjust and n:
        with_score = int((~np.isnan(seen.score[seen.counted])).sum())
        notes.append(f"{with_score:,} of {n:,} counted customers have a churn score from before.")
    crossed = int((seen.arm != seen.given).sum())
    if crossed:
        notes.append(
            f"{crossed:,} customers got the other model's answer; they count in the arm that was "
            "drawn."
        )
    if "time_to_churn" in plan.outcomes and seen.undated:
        notes.append(
            f"{seen.undated:,} left on a day that no outcome names; they count as leaving at the "
            "end of their window."
        )
    if row.kind == "models" and row.stopped_at is None:
        champion = holders(project.ledger.journal())["champion"]
        if champion != row.champion:
            notes.append(
                f"{champion or 'nobody'} became the champion: the arms answer nobody any more. "
                "Stop this experiment."
            )
    return tuple(notes)


def _state(lower: float, upper: float) -> ExperimentState:
    return "better" if lower > 0 else "worse" if upper < 0 else "open"
