"""What goes wrong with labels of the untreated, and with labels as they arrive; and what does not.

Fixed seeds. A figure that should be right lies within 4 standard errors of the truth (a false
failure once in 16,000 comparisons); one that should mislead is off by more than 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from churnkit.data.simulate_pairs import simulate_pairs
from churnkit.domain.outcomes import Holdout, Outcome, Treatment
from churnkit.ledger.outcomes import add_holdout, outcomes_of, record_outcomes, record_treatments
from churnkit.project import Project
from churnkit.rollout.gains import brier_gain
from churnkit.usecases.outcomes.maturing import matured_pairs
from churnkit.usecases.outcomes.weighing import is_member
from tests.outcomes.projects import DAY, MARCH, bare_project, prediction

Floats = npt.NDArray[np.float64]
N = 8_000
AFTER = MARCH + 60 * DAY
KEEPS = 0.7
"""An offer keeps so many of those who would leave."""


@dataclass(frozen=True)
class Business:
    """Customers, two models' scores, who would leave untreated, and a policy that treats."""

    names: list[str]
    champion: Floats
    challenger: Floats
    leaves: npt.NDArray[np.bool_]
    treat_probability: Floats

    @property
    def gain(self) -> Floats:
        """What the challenger would gain in Brier score on each customer, untreated."""
        return brier_gain(self.champion, self.challenger, self.leaves)


def _business(seed: int, risky: float) -> Business:
    """The champion says too much of the risky half, whom it treats; elsewhere it is the better."""
    simulated = simulate_pairs(N, np.random.default_rng(seed), challenger_noise=2.6)
    high = simulated.champion > np.quantile(simulated.champion, 0.5)
    return Business(
        names=[f"c{i}" for i in range(N)],
        champion=np.where(high, np.minimum(simulated.champion + 0.3, 1.0), simulated.champion),
        challenger=simulated.challenger,
        leaves=simulated.left,
        treat_probability=np.where(high, risky, 0.02),
    )


def _recorded(project: Project, business: Business, seed: int, share: float) -> None:
    """Score, hold out, treat, and see what becomes of them."""
    rng = np.random.default_rng([seed, 1])
    holdout = Holdout(
        holdout_id="h", salt=f"s{seed}", share=share or 0.5, campaign="", valid_from=MARCH - DAY,
        valid_until=None, created_at=MARCH - DAY, created_by="me",
    )  # fmt: skip
    held = np.zeros(N, dtype=np.bool_)
    if share:
        add_holdout(project.ledger.engine, holdout)
        held = np.array([is_member(holdout, name) for name in business.names])
    treated = ~held & (rng.random(N) < business.treat_probability)
    left = business.leaves & ~(treated & (rng.random(N) < KEEPS))
    rows = []
    for i, name in enumerate(business.names):
        rows.append(prediction(f"a{i}", name, MARCH, float(business.champion[i]), rollout_id="r"))
        rows.append(
            prediction(f"b{i}", name, MARCH, float(business.challenger[i]), rollout_id="r",
                       shadow_of=f"a{i}", variant="challenger", model_version="v2")
        )  # fmt: skip
    project.ledger.record_predictions(rows)
    engine = project.ledger.engine
    record_treatments(
        engine,
        [
            Treatment(
                f"t{i}", business.names[i], MARCH + DAY, "offer", "c", "t",
                None if share else float(business.treat_probability[i]), not bool(treated[i]),
            )
            for i in (range(N) if not share else np.flatnonzero(treated).tolist())
        ],
        now=AFTER,
    )  # fmt: skip
    record_outcomes(
        engine,
        [Outcome(n, bool(gone), "t", as_of=MARCH) for n, gone in
         zip(business.names, left, strict=True)],
        now=AFTER,
    )  # fmt: skip


@pytest.mark.parametrize(("seed", "share", "counting"), [(1, 0.1, "holdout"), (2, 0, "propensity")])
def test_the_untreated_mislead_and_evidence_does_not(
    tmp_path: Path, seed: int, share: float, counting: str
) -> None:
    business = _business(seed, 1.0 if share else 0.89)
    truth = float(business.gain.mean())
    assert truth > 0.01  # the challenger is better
    with bare_project(tmp_path) as project:
        _recorded(project, business, seed, share)
        found = matured_pairs(project, now=AFTER, rollout_id="r", smallest_propensity=0.1)
        assert found.counting == counting
        pairs = found.pairs()
    gain = brier_gain(pairs.champion, pairs.challenger, pairs.left)
    counted = ~np.isnan(pairs.weight)
    weighted = gain[counted] * pairs.weight[counted]
    error = weighted.std(ddof=1) / len(weighted) ** 0.5
    assert abs(weighted.mean() - truth) < 4 * error
    # All who happen not to be treated, as one would naively take them.
    untreated = gain[~found.treated]
    naive_error = untreated.std(ddof=1) / len(untreated) ** 0.5
    assert abs(untreated.mean() - truth) > 8 * naive_error
    assert untreated.mean() < 0 < weighted.mean()  # it turns the verdict round


@pytest.mark.parametrize(
    ("kind", "leavers_first", "sign"), [("contractual", True, 1), ("non_contractual", False, -1)]
)
def test_labels_as_they_arrive_are_biased_and_matured_cohorts_are_not(
    tmp_path: Path, kind: str, leavers_first: bool, sign: int
) -> None:
    rng = np.random.default_rng(7)
    horizon, days, rate = 30, 40, 0.25
    per_day = 100
    with bare_project(tmp_path, churn={"horizon_days": horizon, "kind": kind}) as project:
        rows, outcomes = [], []
        for day in range(days):
            at = MARCH + day * DAY
            end = at + horizon * DAY
            for i in range(per_day):
                name = f"{day}-{i}"
                left = bool(rng.random() < rate)
                # With contracts leaving is seen when it happens; without, activity is.
                early = at + timedelta(days=float(horizon * rng.random()))
                known = early if left is leavers_first else end
                rows.append(prediction(name, name, at, rate))
                outcomes.append(Outcome(name, left, "t", as_of=at, known_at=known))
        project.ledger.record_predictions(rows)
        now = MARCH + (horizon + 10) * DAY
        record_outcomes(project.ledger.engine, outcomes, now=now)
        found = matured_pairs(project, now=now)
        told = outcomes_of(project.ledger.engine, [row.customer_id for row in rows])
        arrived = np.array(
            [one.churned for many in told.values() for one in many if (one.known_at or now) <= now]
        )
    spread = (rate * (1 - rate)) ** 0.5
    assert len(found) == 11 * per_day
    assert abs(found.churned.mean() - rate) < 4 * spread / len(found) ** 0.5
    bias = sign * (arrived.mean() - rate) / (spread / len(arrived) ** 0.5)
    assert bias > 8
    assert len(arrived) > len(found)  # which is why one is tempted
