"""What a rollout has to prove, and what it may risk; fixed before its first prediction."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from churnkit.domain.campaign import ContactTerms
from churnkit.domain.frozen import Frozen
from churnkit.errors import PlanInvalid
from churnkit.rollout.bets import BOLD, PATIENT, Bets
from churnkit.rollout.gains import log_loss_limit

Metric = Literal["brier", "log_loss", "profit", "error_rate"]
MATURED: tuple[Metric, ...] = ("brier", "log_loss", "profit")
"""Metrics that need outcomes; ``error_rate`` (requests that a model failed to answer) does not."""


class Stage(Frozen):
    """A step of the ramp; the rollout leaves it when its minima have passed."""

    name: str = Field(min_length=1)
    share: float = Field(ge=0, lt=1)
    """Share of customers whom the challenger answers; 0 is shadow."""
    minimum_customers: int = Field(0, ge=0)
    """Customers whom both models scored in this stage and, above share 0, the challenger
    answered."""
    minimum_days: float = Field(0.0, ge=0)
    minimum_pairs: int = Field(0, ge=0)
    """Matured pairs since the start of the attempt."""


class Gate(Frozen):
    """What promotion requires: the challenger's gain is above ``-tolerance``.

    Tolerance 0 asks for superiority, above 0 for non-inferiority.
    """

    metric: Metric
    tolerance: float = Field(0.0, ge=0)
    expected_gain: float | None = None
    """What is hoped for; with ``expected_sd`` it gives a forecast before there are data."""
    expected_sd: float | None = Field(None, gt=0)


class Guardrail(Frozen):
    """What stops a rollout: the challenger's gain is below ``-tolerance``."""

    metric: Metric
    tolerance: float = Field(0.0, ge=0)
    action: Literal["abort", "pause"] = "abort"
    budget: float = Field(1.0, gt=0)
    """Its part of the error budget, relative to the other guardrails of the same action."""


class LatencyGuardrail(Frozen):
    """What stops a rollout: a quantile of the windows' latencies is above ``at_most_ms``."""

    q: float = Field(0.5, gt=0, lt=1)
    at_most_ms: float = Field(gt=0)
    action: Literal["abort", "pause"] = "pause"
    guaranteed: bool = True
    """True: by a confidence sequence, for windows that do not depend on each other. False: by
    comparing the share of windows above the threshold with 1 - q; this claims nothing, so it may
    only pause."""
    budget: float = Field(1.0, gt=0)

    @model_validator(mode="after")
    def _no_abort_without_guarantee(self) -> LatencyGuardrail:
        if self.action == "abort" and not self.guaranteed:
            raise ValueError("a latency threshold without a guarantee may pause, but not abort")
        return self


class Policy(Frozen):
    """Whom a campaign would contact, and what that earns: the terms of the profit metric."""

    terms: ContactTerms
    champion_threshold: float | None = Field(None, ge=0, le=1)
    """Contact from this probability on; None: from where contacting pays."""
    challenger_threshold: float | None = Field(None, ge=0, le=1)
    cap: float | None = Field(None, gt=0)
    """Largest gain or loss of one customer that counts; None: the largest that the terms allow."""
    success_rate_band: tuple[float, float] | None = None
    """Success rates between which the gain is shown, beside that of the terms."""

    @model_validator(mode="after")
    def _band(self) -> Policy:
        band = self.success_rate_band
        if band is not None and not 0 <= band[0] <= band[1] <= 1:
            raise ValueError("success_rate_band must be two rates in [0, 1], the lower one first")
        return self

    @property
    def thresholds(self) -> tuple[float, float]:
        """The champion's and the challenger's."""
        pays = self.terms.threshold
        first, second = self.champion_threshold, self.challenger_threshold
        return (pays if first is None else first, pays if second is None else second)

    @property
    def limit(self) -> float:
        """The cap."""
        if self.cap is not None:
            return self.cap
        return max(abs(self.terms.leaver), abs(self.terms.stayer))

    def at_success_rate(self, rate: float) -> ContactTerms:
        """The same money if the offer kept another share of would-be leavers."""
        return self.terms.model_copy(update={"success_rate": rate})


DEFAULT_STAGES = (
    Stage(name="shadow", share=0.0, minimum_customers=500, minimum_days=1),
    Stage(name="1 %", share=0.01, minimum_customers=50, minimum_days=1),
    Stage(name="5 %", share=0.05, minimum_customers=200, minimum_days=1),
    Stage(name="25 %", share=0.25, minimum_customers=1_000, minimum_days=1),
)
DEFAULT_GUARDRAILS = (
    Guardrail(metric="brier"),
    Guardrail(metric="log_loss"),
    Guardrail(metric="profit"),
    Guardrail(metric="error_rate", tolerance=0.001),
)


class Plan(Frozen):
    """A rollout's plan: stages, gates, guardrails, and how often it may be wrong.

    A wrong promotion (any gate is not met in truth) has probability at most ``alpha_promote``, a
    wrong abort (all abort guardrails are met in truth) at most ``alpha_abort``: over all looks,
    stages and streams, and over all attempts of the same challenger together.
    """

    policy: Policy
    stages: tuple[Stage, ...] = DEFAULT_STAGES
    max_unproven_share: float = Field(0.25, gt=0, lt=1)
    gates: tuple[Gate, ...] = (Gate(metric="profit"),)
    guardrails: tuple[Guardrail, ...] = DEFAULT_GUARDRAILS
    latency: LatencyGuardrail | None = None
    alpha_promote: float = Field(0.05, gt=0, le=0.5)
    alpha_abort: float = Field(0.05, gt=0, le=0.5)
    alpha_pause: float = Field(0.05, gt=0, le=0.5)
    """Split over the guardrails that pause."""
    alpha_ratio: float = Field(0.01, gt=0, le=0.5)
    """For the sample-ratio test, which pauses."""
    alpha_drift: float = Field(0.05, gt=0, le=0.5)
    """For drift of the two models' scores, each half, which pauses."""
    score_drift: Literal["pause", "show"] = "pause"
    """What proven drift of a model's scores does. Seasons are drift, too."""
    clip: float = Field(0.01, gt=0, lt=0.5)
    """Log loss holds probabilities in [clip, 1 - clip]."""
    outcomes: Literal["everyone", "holdout", "propensity"] = "everyone"
    """Whose outcomes count; ``everyone`` only where nobody is treated."""
    smallest_propensity: float = Field(0.1, gt=0, le=1)
    """Customers who were left untreated with a smaller probability do not count."""
    accept_history: bool = False
    """Whether pairs from before the rollout, after the challenger's training cut-off, count as a
    second stream; each stream then has half of the error budgets."""
    automatic_promotion: bool = True
    automatic_abort: bool = True
    gate_bets: Bets = PATIENT
    guardrail_bets: Bets = BOLD

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        shares = [stage.share for stage in self.stages]
        if not shares or shares[0] != 0:
            raise ValueError("the first stage must be shadow: share 0")
        if any(a >= b for a, b in itertools.pairwise(shares)):
            raise ValueError("the shares of the stages must rise")
        if shares[-1] > self.max_unproven_share:
            raise ValueError(
                f"the last stage gives an unproven model {shares[-1]:g} of the customers, more than"
                f" max_unproven_share ({self.max_unproven_share:g})"
            )
        if len({stage.name for stage in self.stages}) < len(self.stages):
            raise ValueError("two stages have the same name")
        gated = [gate.metric for gate in self.gates]
        if "profit" not in gated:
            raise ValueError("promotion needs a gate on profit")
        for metrics, what in (
            (gated, "gates"),
            ([g.metric for g in self.guardrails], "guardrails"),
        ):
            if len(set(metrics)) < len(metrics):
                raise ValueError(f"two {what} have the same metric")
        bounded: tuple[Gate | Guardrail, ...] = (*self.gates, *self.guardrails)
        for rule in bounded:
            if rule.tolerance >= self.limit(rule.metric):
                raise ValueError(
                    f"a tolerance of {rule.tolerance:g} for {rule.metric} allows everything; the"
                    f" largest possible loss is {self.limit(rule.metric):g}"
                )
        return self

    def limit(self, metric: Metric) -> float:
        """The largest absolute gain of one pair, weights included."""
        limit = {
            "brier": 1.0,
            "log_loss": log_loss_limit(self.clip),
            "profit": self.policy.limit,
            "error_rate": 1.0,
        }[metric]
        return limit * self.largest_weight if metric in MATURED else limit

    @property
    def largest_weight(self) -> float:
        """What one pair may weigh."""
        return 1 / self.smallest_propensity if self.outcomes == "propensity" else 1.0


def read_plan(values: Mapping[str, Any]) -> Plan:
    """A plan from plain data, such as a table of churnkit.toml or a request's body.

    Raises
    ------
    PlanInvalid : it names the first place that cannot be used
    """
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise PlanInvalid(
            f"{what[:1].lower()}{what[1:]}.",
            fix="Correct the plan; a rollout that runs keeps the plan that it was started with.",
            key=place or None,
        ) from error


def attempt_share(attempt: int) -> float:
    """The part of an error budget that the k-th attempt may spend: 6 / (π²k²); all add up to 1."""
    return 6 / (math.pi * attempt) ** 2


class Budget(Frozen):
    """The error probability of each test in one attempt."""

    gate: float
    """Of each gate and stream: all gates must hold, so one that fails may use it alone."""
    guardrails: dict[Metric, float]
    """Of each guardrail and stream."""
    latency: float
    ratio: float
    drift: float
    """Of the scores of each model."""


def budget(plan: Plan, attempt: int) -> Budget:
    """How the plan's error probabilities are split in the k-th attempt.

    Parameters
    ----------
    attempt : counts from 1
    """
    part = attempt_share(attempt)
    alphas = {"abort": plan.alpha_abort, "pause": plan.alpha_pause}
    rules: list[Guardrail | LatencyGuardrail] = [
        *plan.guardrails,
        *([plan.latency] if plan.latency is not None else []),
    ]
    totals = {
        action: math.fsum(rule.budget for rule in rules if rule.action == action)
        for action in alphas
    }

    def spent(rule: Guardrail | LatencyGuardrail) -> float:
        return part * alphas[rule.action] * rule.budget / totals[rule.action]

    def streams(metric: Metric) -> int:
        return 2 if plan.accept_history and metric in MATURED else 1

    return Budget(
        gate=part * plan.alpha_promote / (2 if plan.accept_history else 1),
        guardrails={rule.metric: spent(rule) / streams(rule.metric) for rule in plan.guardrails},
        latency=spent(plan.latency) if plan.latency is not None else 0.0,
        ratio=part * plan.alpha_ratio,
        drift=part * plan.alpha_drift / 2,
    )
