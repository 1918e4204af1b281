"""From matured pairs to what is known of each metric; grows pair by pair, resumes from JSON."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from churnkit.domain.frozen import Frozen
from churnkit.errors import EvidenceInvalid
from churnkit.rollout.asymptotic import MoneyState, add_money
from churnkit.rollout.gains import brier_gain, failure_gain, log_loss_gain, profit_gain
from churnkit.rollout.mixture import MeanSequence, MeanState
from churnkit.rollout.pairs import Pairs
from churnkit.rollout.plan import Plan, Policy

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]

BAND = ("profit_low", "profit_high")
"""The profit at the ends of the success rate's band: shown, never a gate."""


class Watermark(Frozen):
    """The last pair that was taken in; what is not after it was looked at before."""

    predicted_at_us: int
    customer_id: str


class StreamState(Frozen):
    """The evidence of one stream of matured pairs."""

    means: dict[str, MeanState] = Field(default_factory=dict)
    """By metric, and the ends of the band."""
    uncapped_profit: MoneyState = MoneyState()
    watermark: Watermark | None = None
    n: int = 0
    """Pairs that are evidence."""
    repeated: int = 0
    """Later predictions of a customer who has one in the rollout."""
    without_weight: int = 0
    """Not in the hold-out, or left untreated too rarely."""
    not_after: int = 0
    """Pairs of the last call that are not after the watermark: known already, or late."""

    def mean(self, metric: str) -> MeanSequence | None:
        """The metric's confidence sequence; None before the first pair."""
        state = self.means.get(metric)
        return None if state is None else MeanSequence.resume(state)


def absorb(plan: Plan, state: StreamState, pairs: Pairs) -> StreamState:
    """The evidence with more matured pairs in it.

    Pairs are used in the order of their predictions, the customer's first one only. Giving the
    same pairs again changes nothing. A pair whose prediction is not after the last one used is
    left out and counted: evidence that arrives by its outcome's date would be biased, so wait
    until a whole cohort has matured.

    Parameters
    ----------
    pairs : matured, all predictions of the stream since the last call

    Raises
    ------
    EvidenceInvalid : a weight is above what the plan allows
    """
    ordered = pairs.in_order()
    new = _after(ordered, state.watermark)
    fresh = ordered.take(new)
    first = fresh.ordinal == 1
    weighted = ~np.isnan(fresh.weight)
    used = fresh.take(first & weighted)
    if len(used) and used.weight.max() > plan.largest_weight * (1 + 1e-9):
        raise EvidenceInvalid(
            f"a pair weighs {used.weight.max():g}, more than the plan allows"
            f" ({plan.largest_weight:g}).",
            fix="Use the plan's outcomes and smallest_propensity to make the weights.",
        )
    means = dict(state.means)
    for name, gain in _gains(plan, used).items():
        sequence = state.mean(name) or MeanSequence(limit=_limit(plan, name))
        sequence.update(gain * used.weight)
        means[name] = sequence.state()
    uncapped = _profit(plan.policy, plan.policy.terms.success_rate, used, cap=np.inf)
    return StreamState(
        means=means,
        uncapped_profit=add_money(state.uncapped_profit, uncapped * used.weight),
        watermark=_watermark(fresh) or state.watermark,
        n=state.n + len(used),
        repeated=state.repeated + int((~first).sum()),
        without_weight=state.without_weight + int((first & ~weighted).sum()),
        not_after=int((~new).sum()),
    )


def count_failures(
    state: MeanState | None, champion_failed: Labels, challenger_failed: Labels
) -> MeanState:
    """The error rate's evidence with more customers in it: no outcome is needed.

    Parameters
    ----------
    champion_failed, challenger_failed : shape (n,), whether each model failed to answer the
        customer's first request in the rollout
    """
    sequence = MeanSequence() if state is None else MeanSequence.resume(state)
    sequence.update(failure_gain(champion_failed, challenger_failed))
    return sequence.state()


def _gains(plan: Plan, pairs: Pairs) -> dict[str, Floats]:
    gains = {
        "brier": brier_gain(pairs.champion, pairs.challenger, pairs.left),
        "log_loss": log_loss_gain(pairs.champion, pairs.challenger, pairs.left, clip=plan.clip),
    }
    policy = plan.policy
    rates = {"profit": policy.terms.success_rate}
    if policy.success_rate_band is not None:
        rates |= dict(zip(BAND, policy.success_rate_band, strict=True))
    for name, rate in rates.items():
        gains[name] = _profit(policy, rate, pairs, cap=_unweighted_cap(policy, name))
    return gains


def _profit(policy: Policy, success_rate: float, pairs: Pairs, *, cap: float) -> Floats:
    champion_threshold, challenger_threshold = policy.thresholds
    return profit_gain(
        pairs.champion,
        pairs.challenger,
        pairs.left,
        terms=policy.at_success_rate(success_rate),
        champion_threshold=champion_threshold,
        challenger_threshold=challenger_threshold,
        cap=cap,
        customer_value=pairs.customer_value,
    )


def _unweighted_cap(policy: Policy, name: str) -> float:
    """The cap at a success rate: where none is declared, the largest gain at that rate."""
    if name == "profit" or policy.cap is not None or policy.success_rate_band is None:
        return policy.limit
    rate = policy.success_rate_band[BAND.index(name)]
    return policy.model_copy(update={"terms": policy.at_success_rate(rate)}).limit


def _limit(plan: Plan, name: str) -> float:
    if name in BAND:
        return _unweighted_cap(plan.policy, name) * plan.largest_weight
    return {"brier": plan.limit("brier"), "log_loss": plan.limit("log_loss")}.get(
        name, plan.limit("profit")
    )


def _after(ordered: Pairs, mark: Watermark | None) -> Labels:
    if mark is None:
        return np.ones(len(ordered), dtype=np.bool_)
    at = ordered.predicted_at.astype(np.int64)
    same = (at == mark.predicted_at_us) & (ordered.customer_id > mark.customer_id)
    return np.asarray((at > mark.predicted_at_us) | same, dtype=np.bool_)


def _watermark(ordered: Pairs) -> Watermark | None:
    if not len(ordered):
        return None
    return Watermark(
        predicted_at_us=int(ordered.predicted_at[-1].astype(np.int64)),
        customer_id=str(ordered.customer_id[-1]),
    )
