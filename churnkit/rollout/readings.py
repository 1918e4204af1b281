"""What each gate and guardrail reads at the level that the plan's budget gives it."""

from __future__ import annotations

import math
from typing import Literal

from churnkit.domain.frozen import Frozen
from churnkit.rollout.evidence import BAND, StreamState
from churnkit.rollout.forecast import labels_needed
from churnkit.rollout.mixture import MeanSequence, MeanState
from churnkit.rollout.plan import Budget, Gate, Guardrail, Metric, Plan
from churnkit.rollout.quantile import PlainThreshold, QuantileState

Stream = Literal["live", "history"]

UNITS = {
    "brier": "Brier score",
    "log_loss": "log loss",
    "profit": "profit per customer",
    "error_rate": "error rate",
    "latency": "latency",
}


class BandPoint(Frozen):
    """The profit gain if the offer kept another share of would-be leavers."""

    success_rate: float
    mean: float
    lower: float
    upper: float


class Reading(Frozen):
    """The bounds of one gate or guardrail, and what follows from them.

    Gains are above 0 where the challenger is better. ``lower`` and ``upper`` each hold at all
    times together with probability ``1 - alpha``. Latency is in ms, and higher is worse.
    """

    role: Literal["gate", "guardrail"]
    metric: str
    stream: Stream
    action: Literal["promote", "abort", "pause"]
    state: Literal["proven", "breached", "open"]
    n: int
    mean: float | None
    lower: float
    upper: float
    alpha: float
    log_capital: float
    """Log of the evidence for the state; it is proven or breached from log(1 / alpha) on."""
    tolerance: float
    guaranteed: bool = True
    labels_needed: int | None = None
    band: tuple[BandPoint, ...] = ()
    """Profit at the lowest and highest success rate of the plan's band, at the same level."""

    def sentence(self) -> str:
        """The reading in words."""
        what = UNITS[self.metric]
        past = " (history)" if self.stream == "history" else ""
        if self.metric == "latency":
            bound = self.lower if self.guaranteed else self.mean
            return f"{what} is above {self.tolerance:g} ms (at least {bound:.4g} ms)"
        if self.role == "gate":
            return (
                f"{what}{past}: the gain is above {self.lower:.4g}, and"
                f" {0.0 - self.tolerance:g} was asked for ({self.n:,} pairs)"
            )
        return (
            f"{what}{past}: the challenger loses more than {-self.upper:.4g}, and"
            f" {self.tolerance:g} is tolerated ({self.n:,} pairs)"
        )


def read_gates(
    plan: Plan,
    split: Budget,
    live: StreamState,
    history: StreamState | None,
    errors: MeanState | None,
) -> tuple[Reading, ...]:
    """Every gate on every stream that the plan accepts; one stream is enough to prove a gate."""
    return tuple(
        _gate(
            plan,
            split,
            gate,
            stream,
            sequence,
            _band(plan, split.gate, live if stream == "live" else history)
            if gate.metric == "profit"
            else (),
        )
        for gate in plan.gates
        for stream, sequence in _sequences(plan, gate.metric, live, history, errors)
    )


def read_guardrails(
    plan: Plan,
    split: Budget,
    live: StreamState,
    history: StreamState | None,
    errors: MeanState | None,
) -> tuple[Reading, ...]:
    """Every guardrail on every stream that the plan accepts."""
    return tuple(
        _guardrail(plan, rule, split.guardrails[rule.metric], stream, sequence)
        for rule in plan.guardrails
        for stream, sequence in _sequences(plan, rule.metric, live, history, errors)
    )


def read_latency(plan: Plan, split: Budget, latency: QuantileState | None) -> tuple[Reading, ...]:
    """The latency guardrail, if the plan has one."""
    rule = plan.latency
    if rule is None:
        return ()
    state = latency or QuantileState(q=rule.q)
    if state.q != rule.q:
        state = state.model_copy(update={"q": rule.q})
    n = len(state.ordered)
    above = sum(value > rule.at_most_ms for value in state.ordered)
    if rule.guaranteed:
        lower, upper = state.lower(split.latency), state.upper(split.latency)
        breached = lower > rule.at_most_ms
    else:
        lower, upper = -math.inf, math.inf
        breached = PlainThreshold(n=n, above=above, largest_share=1 - rule.q).breached
    return (
        Reading(
            role="guardrail",
            metric="latency",
            stream="live",
            action=rule.action,
            state="breached" if breached else "open",
            n=n,
            mean=state.ordered[min(int(rule.q * n), n - 1)] if n else None,
            lower=lower,
            upper=upper,
            alpha=split.latency,
            log_capital=state.log_evidence(rule.at_most_ms) if rule.guaranteed else 0.0,
            tolerance=rule.at_most_ms,
            guaranteed=rule.guaranteed,
        ),
    )


def _sequences(
    plan: Plan,
    metric: Metric,
    live: StreamState,
    history: StreamState | None,
    errors: MeanState | None,
) -> list[tuple[Stream, MeanSequence]]:
    """The metric's sequence on each stream that has it and that the plan accepts."""
    if metric == "error_rate":
        return [("live", MeanSequence() if errors is None else MeanSequence.resume(errors))]
    streams: list[tuple[Stream, StreamState]] = [("live", live)]
    if plan.accept_history and history is not None:
        streams.append(("history", history))
    empty = MeanSequence(limit=plan.limit(metric))
    return [(stream, state.mean(metric) or empty) for stream, state in streams]


def _gate(
    plan: Plan,
    split: Budget,
    gate: Gate,
    stream: Stream,
    sequence: MeanSequence,
    band: tuple[BandPoint, ...],
) -> Reading:
    bets = plan.gate_bets
    capital = sequence.log_evidence(-gate.tolerance, side="above", bets=bets)
    proven = capital >= -math.log(split.gate)
    expected = None
    if gate.expected_gain is not None and gate.expected_sd is not None:
        expected = (gate.expected_gain, gate.expected_sd)
    return Reading(
        role="gate",
        metric=gate.metric,
        stream=stream,
        action="promote",
        state="proven" if proven else "open",
        n=sequence.n,
        mean=sequence.mean if sequence.n else None,
        lower=sequence.lower(split.gate, bets=bets),
        upper=sequence.upper(split.gate, bets=plan.guardrail_bets),
        alpha=split.gate,
        log_capital=capital,
        tolerance=gate.tolerance,
        labels_needed=labels_needed(
            sequence,
            against=-gate.tolerance,
            side="above",
            alpha=split.gate,
            bets=bets,
            expected=expected,
        ),
        band=band,
    )


def _guardrail(
    plan: Plan, rule: Guardrail, alpha: float, stream: Stream, sequence: MeanSequence
) -> Reading:
    capital = sequence.log_evidence(-rule.tolerance, side="below", bets=plan.guardrail_bets)
    return Reading(
        role="guardrail",
        metric=rule.metric,
        stream=stream,
        action=rule.action,
        state="breached" if capital >= -math.log(alpha) else "open",
        n=sequence.n,
        mean=sequence.mean if sequence.n else None,
        lower=sequence.lower(alpha, bets=plan.gate_bets),
        upper=sequence.upper(alpha, bets=plan.guardrail_bets),
        alpha=alpha,
        log_capital=capital,
        tolerance=rule.tolerance,
    )


def _band(plan: Plan, alpha: float, state: StreamState | None) -> tuple[BandPoint, ...]:
    rates = plan.policy.success_rate_band
    if state is None or rates is None:
        return ()
    ends = [(rate, state.mean(name)) for rate, name in zip(rates, BAND, strict=True)]
    return tuple(
        BandPoint(
            success_rate=rate,
            mean=sequence.mean,
            lower=sequence.lower(alpha, bets=plan.gate_bets),
            upper=sequence.upper(alpha, bets=plan.guardrail_bets),
        )
        for rate, sequence in ends
        if sequence is not None
    )
