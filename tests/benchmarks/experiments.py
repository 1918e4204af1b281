"""How many customers an experiment takes, by method, and how often each method errs.

Run as ``python tests/benchmarks/experiments.py``; the tables are in docs/statistics.md.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from churnkit.rollout.difference import (
    difference_bets,
    difference_limit,
    differences,
    offsets,
    variance_saved,
)
from churnkit.rollout.logrank import log_evidence_by_day
from churnkit.rollout.mixture import log_evidence_paths
from churnkit.rollout.sample_size import Scenario, fixed_size, sequential_size
from tests.experiments.test_experiments_guarantees import simulate
from tests.experiments.test_experiments_logrank import _sets
from tests.experiments.test_experiments_logrank import simulate as simulate_times

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
RETENTION = 0.75


def sizes() -> None:
    """Customers in both arms for power 80 %."""
    print("effect | CUPED | one look | any time, 80 % | any time, half")
    for effect in (0.02, 0.03, 0.05, 0.08):
        for correlation in (0.0, 0.4):
            plan = Scenario(RETENTION, effect, 0.5, ALPHA, 0.8, correlation)
            found = sequential_size(plan, smallest_effect=effect, simulations=4_000)
            told = f"{found.customers:,} | {found.median:,}" if found.customers else "beyond"
            print(f"{effect:.2f} | {correlation} | {fixed_size(plan):,} | {told}")


def errors(n: int = 1_000, customers: int = 2_000) -> None:
    """How often arms without a difference are told apart, looked at after every customer."""
    wrong = {"sequence, CUPED": 0, "sequence": 0, "z-test, every look": 0, "z-test, one look": 0}
    bets, limit = difference_bets(0.03, 0.5), difference_limit(0.5)
    saved = []
    for part in range(n // 250):
        made = simulate((250, customers), seed=500 + part)
        taken = {
            "sequence, CUPED": offsets(made.outcome, made.in_arm, share=0.5, score=made.score),
            "sequence": offsets(made.outcome, made.in_arm, share=0.5),
        }
        d = {
            name: differences(made.outcome, made.in_arm, one.offset, share=0.5)
            for name, one in taken.items()
        }
        for name, x in d.items():
            need = -math.log(ALPHA / 2)
            found = (log_evidence_paths(x, 0.0, bets=bets, limit=limit) >= need) | (
                log_evidence_paths(-x, 0.0, bets=bets, limit=limit) >= need
            )
            wrong[name] += int(found.any(axis=1).sum())
        saved += [
            variance_saved(a, b) for a, b in zip(d["sequence, CUPED"], d["sequence"], strict=True)
        ]
        x = d["sequence, CUPED"]
        count = np.arange(1, customers + 1)
        mean = np.cumsum(x, axis=1) / count
        sd = np.sqrt(np.cumsum(x**2, axis=1) / count - mean**2)
        z = np.abs(mean / np.maximum(sd, 1e-12) * np.sqrt(count))
        wrong["z-test, every look"] += int((z[:, 49:] > 1.96).any(axis=1).sum())
        wrong["z-test, one look"] += int((z[:, -1] > 1.96).sum())
    for name, k in wrong.items():
        print(f"{name}: {k / n:.1%} wrong of {n:,}")
    told = np.array([one for one in saved if one is not None])
    print(f"CUPED saves {told.mean():.1%} (5 % … 95 %: {np.quantile(told, [0.05, 0.95])})")


def times(n: int = 400) -> None:
    """The log-rank test: wrong verdicts, and the day on which a difference is found."""
    for ratio in (1.0, 0.85, 0.7, 0.55):
        days, events = [], []
        for seed in range(n):
            sets = _sets(*simulate_times(50_000 + seed, ratio=ratio, per_day=50))
            at, evidence = log_evidence_by_day(sets, hazard_ratio=0.8)
            found = evidence >= -math.log(ALPHA)
            days.append(at[np.argmax(found)] if found.any() else math.inf)
            events.append(sets.left[sets.day <= days[-1]].sum() if found.any() else math.inf)
        share = np.isfinite(days).mean()
        print(
            f"ratio {ratio}: found {share:.1%}, median day {np.median(days)},"
            f" median leavings {np.median(events)}"
        )


if __name__ == "__main__":
    sizes()
    errors()
    times()
