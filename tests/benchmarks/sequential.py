"""How soon each method tells two models apart, and how often it is wrong.

Run it with ``python tests/benchmarks/sequential.py [--rollouts 2000]``. Every rollout is a stream
of matured pairs from the generator (``churnkit/data/simulate_pairs.py``); every method tests the
Brier difference on one side. Fixed-sample and group-sequential tests are planned for the very
effect that is simulated (80 % power), which nobody knows in practice; the others know nothing.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy import stats

from churnkit.data.simulate_pairs import BETTER_NOISE, CHAMPION_NOISE, WORSE_NOISE, simulate_pairs
from churnkit.domain.campaign import ContactTerms
from churnkit.rollout.asymptotic import one_sided_radius
from churnkit.rollout.bernstein import log_evidence_paths as bernstein_paths
from churnkit.rollout.bets import BOLD, PATIENT
from churnkit.rollout.betting import log_evidence_paths as betting_paths
from churnkit.rollout.gains import brier_gain, log_loss_gain, profit_gain
from churnkit.rollout.mixture import log_evidence_paths as mixture_paths
from churnkit.rollout.plan import MATURED, Metric, Plan, Policy, attempt_share, budget

Floats = npt.NDArray[np.float64]
Method = Callable[[Floats, float, "Scenario"], Floats]

TERMS = ContactTerms(customer_value=200, contact_cost=1, offer_cost=10, success_rate=0.3)
FIRST_LOOK = 30
"""Methods that lean on the normal distribution first look here."""


@dataclass(frozen=True)
class Scenario:
    """A challenger, and the side on which it differs from the champion."""

    name: str
    noise: float
    shift: float
    side: int
    labels: int
    """How many matured pairs a rollout has at most."""

    def gains(self, n_rollouts: int, rng: np.random.Generator) -> Floats:
        """Shape (n_rollouts, labels); above 0 where the side that is looked for is right."""
        made = simulate_pairs(
            (n_rollouts, self.labels),
            rng,
            challenger_noise=self.noise,
            challenger_shift=self.shift,
        )
        return self.side * brier_gain(made.champion, made.challenger, made.left)

    def standardised(self) -> float:
        """Mean over sd of a pair's gain, from a million pairs."""
        gains = Scenario(self.name, self.noise, self.shift, self.side, 1_000_000).gains(
            1, np.random.default_rng(1)
        )
        return float(gains.mean() / gains.std())


WORSE = Scenario("worse: AUC 0.67 against 0.73", WORSE_NOISE, 0.0, -1, 4_000)
SHIFTED = Scenario("off by +1 logit", CHAMPION_NOISE, 1.0, -1, 2_000)
BETTER = Scenario("better: 0.746 against 0.73", BETTER_NOISE, 0.0, 1, 16_000)


def first(hits: npt.NDArray[np.bool_]) -> Floats:
    """The first label at which each row is true; inf: at none."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1.0, np.inf)


def moments(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Count, mean and sd after each label."""
    count = np.arange(1, x.shape[1] + 1.0)
    mean = np.cumsum(x, axis=1) / count
    square = np.cumsum(x * x, axis=1) / count
    return count, mean, np.sqrt(np.maximum(square - mean**2, 1e-12))


def mixture(x: Floats, alpha: float, scenario: Scenario) -> Floats:
    """Ours: guardrails bet boldly, gates patiently; fixed before the rollout."""
    bets = BOLD if scenario.side < 0 else PATIENT
    return first(mixture_paths(x, 0.0, bets=bets) >= -math.log(alpha))


def adaptive(x: Floats, alpha: float, scenario: Scenario) -> Floats:
    """Adaptive Kelly betting (Waudby-Smith & Ramdas 2023)."""
    return first(betting_paths(x) >= -math.log(alpha))


def bernstein(x: Floats, alpha: float, scenario: Scenario) -> Floats:
    """Empirical Bernstein, gamma-exponential mixture (Howard et al. 2021)."""
    return first(bernstein_paths(x) >= -math.log(alpha))


def asymptotic(x: Floats, alpha: float, scenario: Scenario) -> Floats:
    """Asymptotic sequence (Waudby-Smith et al. 2024), tight at 2,000 labels."""
    count, mean, sd = moments(x)
    hits = mean > sd * one_sided_radius(count, alpha, 2_000)
    hits[:, : FIRST_LOOK - 1] = False
    return first(hits)


def msprt(x: Floats, alpha: float, scenario: Scenario) -> Floats:
    """Mixture sequential probability ratio test, normal prior (Johari et al. 2022); two-sided
    by nature, so it gets twice the level and only its right side counts."""
    count, mean, sd = moments(x)
    tau2 = (0.05 * sd) ** 2
    grown = sd**2 + count * tau2
    log_ratio = 0.5 * np.log(sd**2 / grown) + count**2 * tau2 * mean**2 / (2 * sd**2 * grown)
    hits = (log_ratio >= -math.log(min(2 * alpha, 1.0))) & (mean > 0)
    hits[:, : FIRST_LOOK - 1] = False
    return first(hits)


def fixed(x: Floats, alpha: float, scenario: Scenario) -> Floats:
    """z-test at one sample size, planned for the effect."""
    n = planned(alpha, scenario, inflation=1.0)
    return at_looks(x, [n], np.array([stats.norm.isf(alpha)]))


def group_sequential(x: Floats, alpha: float, scenario: Scenario) -> Floats:
    """Five looks, O'Brien-Fleming spending (Lan & DeMets 1983), planned for the effect."""
    boundary = spending_boundary(alpha, 5)
    n = planned(alpha, scenario, inflation=1.03)
    return at_looks(x, [math.ceil(n * k / 5) for k in range(1, 6)], boundary)


def peeking(x: Floats, alpha: float, scenario: Scenario) -> Floats:
    """The z-test of one sample size, looked at after every label: what dashboards invite to."""
    count, mean, sd = moments(x)
    hits = mean / sd * np.sqrt(count) > stats.norm.isf(alpha)
    hits[:, : FIRST_LOOK - 1] = False
    return first(hits)


METHODS: dict[str, Method] = {
    "mixture of fixed bets (churnkit)": mixture,
    "adaptive betting": adaptive,
    "empirical Bernstein": bernstein,
    "asymptotic sequence": asymptotic,
    "mixture SPRT": msprt,
    "z-test, fixed sample": fixed,
    "group-sequential, 5 looks": group_sequential,
    "z-test, peeking": peeking,
}

FINITE = {"mixture of fixed bets (churnkit)", "adaptive betting", "empirical Bernstein"}


def planned(alpha: float, scenario: Scenario, *, inflation: float) -> int:
    """Labels for 80 % power at the scenario's true effect."""
    z = float(stats.norm.isf(alpha) + stats.norm.isf(0.2))
    return math.ceil(inflation * (z / scenario.standardised()) ** 2)


def at_looks(x: Floats, looks: list[int], boundary: Floats) -> Floats:
    """First of a few looks at which z is above its boundary."""
    looks = [n for n in looks if n <= x.shape[1]]
    found = np.full(len(x), np.inf)
    for n, limit in zip(looks, boundary, strict=False):
        part = x[:, :n]
        z = part.mean(axis=1) / part.std(axis=1) * math.sqrt(n)
        found = np.where(np.isinf(found) & (z > limit), float(n), found)
    return found


def spending_boundary(alpha: float, n_looks: int) -> Floats:
    """z boundaries at equal steps of information, one-sided O'Brien-Fleming type spending.

    The density of the score process among those who go on is carried from look to look
    (Armitage, McPherson & Rowe 1969); each boundary spends its increment.
    """
    information = np.arange(1, n_looks + 1) / n_looks
    spent = 2 * stats.norm.sf(stats.norm.isf(alpha / 2) / np.sqrt(information))
    grid = np.linspace(-8, 8, 4_001)
    step = grid[1] - grid[0]
    density = stats.norm.pdf(grid, scale=math.sqrt(information[0]))
    found, before = [], 0.0
    for k, total in enumerate(spent):
        tail = np.cumsum(density[::-1])[::-1] * step
        limit = float(np.interp(-(total - before), -tail, grid))
        found.append(limit / math.sqrt(information[k]))
        going_on = np.where(grid < limit, density, 0.0)
        if k + 1 < n_looks:
            kernel = stats.norm.pdf(grid, scale=math.sqrt(information[k + 1] - information[k]))
            density = np.convolve(going_on, kernel, mode="same") * step
        before = total
    return np.array(found)


def measured(scenario: Scenario, alpha: float, n_rollouts: int, seed: int) -> dict[str, Floats]:
    """First verdicts of all methods on the same rollouts."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[Floats]] = {name: [] for name in METHODS}
    chunk = max(1, min(n_rollouts, 4_000_000 // scenario.labels))
    for begin in range(0, n_rollouts, chunk):
        x = scenario.gains(min(chunk, n_rollouts - begin), rng)
        for name, method in METHODS.items():
            found[name].append(method(x, alpha, scenario))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def shown(verdicts: Floats) -> str:
    """Median labels to a verdict, and the share of rollouts that have one."""
    median = float(np.median(verdicts))
    text = "> all" if math.isinf(median) else f"{median:,.0f}"
    return f"{text} ({np.isfinite(verdicts).mean():.0%})"


def table(console: Console, title: str, levels: dict[str, float], n_rollouts: int) -> None:
    """One table: medians in three scenarios, errors for equal models on each side."""
    view = Table(
        "method", "finite-sample", *(each.name for each in (WORSE, SHIFTED, BETTER)),
        "wrong 'worse'", "wrong 'better'", title=title,
    )  # fmt: skip
    equal = [
        Scenario("equal", CHAMPION_NOISE, 0.0, side, planned_for.labels)
        for side, planned_for in ((-1, WORSE), (1, WORSE))
    ]
    columns = [
        measured(WORSE, levels["abort"], n_rollouts, 1),
        measured(SHIFTED, levels["abort"], n_rollouts, 2),
        measured(BETTER, levels["promote"], max(n_rollouts // 2, 100), 3),
    ]
    errors = [
        _errors(equal[0], levels["abort"], WORSE, n_rollouts, 4),
        _errors(equal[1], levels["promote"], WORSE, n_rollouts, 5),
    ]
    for name in METHODS:
        view.add_row(
            name,
            "yes" if name in FINITE else "no",
            *(shown(column[name]) for column in columns),
            *(f"{error[name]:.1%}" for error in errors),
        )
    console.print(view)


def guardrails(console: Console, n_rollouts: int) -> None:
    """How soon the default plan's guardrails on matured pairs abort: alone, the first, together."""
    plan = Plan(policy=Policy(terms=TERMS))
    split = budget(plan, 1)
    rules: tuple[Metric, ...] = MATURED
    view = Table(
        "guardrail", WORSE.name, SHIFTED.name, "wrong aborts of an equal challenger",
        title=f"Median matured pairs to an abort; default plan, attempt 1, {plan.alpha_abort:.0%}"
        f" for all guardrails",
    )  # fmt: skip
    rows: dict[str, list[str]] = {name: [] for name in (*rules, "first of them", "together")}
    for place, (noise, shift) in enumerate(
        [(WORSE.noise, 0.0), (SHIFTED.noise, SHIFTED.shift), (CHAMPION_NOISE, 0.0)]
    ):
        made = simulate_pairs(
            (n_rollouts, 3_000),
            np.random.default_rng(10 + place),
            challenger_noise=noise,
            challenger_shift=shift,
        )
        capital = np.zeros(made.champion.shape)
        alone: dict[str, Floats] = {}
        p, q, y = made.champion, made.challenger, made.left
        pays = plan.policy.thresholds[0]
        gains = {
            "brier": brier_gain(p, q, y),
            "log_loss": log_loss_gain(p, q, y, clip=plan.clip),
            "profit": profit_gain(
                p,
                q,
                y,
                terms=TERMS,
                champion_threshold=pays,
                challenger_threshold=pays,
                cap=plan.policy.limit,
            ),
        }
        for name in rules:
            alpha = split.guardrails[name]
            paths = mixture_paths(-gains[name], 0.0, bets=BOLD, limit=plan.limit(name))
            alone[name] = first(paths >= -math.log(alpha))
            capital += alpha * np.exp(paths)
        alone["first of them"] = np.min(list(alone.values()), axis=0)
        alone["together"] = first(capital >= 1)
        for name, verdicts in alone.items():
            wrong = f"{np.isfinite(verdicts).mean():.1%}"
            rows[name].append(shown(verdicts) if place < 2 else wrong)
    for name, cells in rows.items():
        view.add_row(name, *cells)
    console.print(view)


def _errors(
    scenario: Scenario, alpha: float, planned_for: Scenario, n_rollouts: int, seed: int
) -> dict[str, float]:
    """How often each method tells equal models apart; sample sizes as planned for an effect."""
    x = scenario.gains(n_rollouts, np.random.default_rng(seed))
    like = Scenario(
        planned_for.name, planned_for.noise, planned_for.shift, planned_for.side, scenario.labels
    )
    sided = {
        name: method(x, alpha, scenario if name in {"mixture of fixed bets (churnkit)"} else like)
        for name, method in METHODS.items()
    }
    return {name: float(np.isfinite(verdicts).mean()) for name, verdicts in sided.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=2_000)
    n = parser.parse_args().rollouts
    console = Console(width=170)
    table(
        console,
        "Median matured pairs to a verdict (share of rollouts that reach one); 5 % on one test",
        {"abort": 0.05, "promote": 0.05},
        n,
    )
    fields = Plan.model_fields
    rails = len(fields["guardrails"].default)
    levels = {
        "abort": fields["alpha_abort"].default * attempt_share(1) / rails,
        "promote": fields["alpha_promote"].default * attempt_share(1),
    }
    table(
        console,
        f"The same at the default plan's levels in attempt 1: {levels['abort']:.2%} for each of"
        f" {rails} guardrails, {levels['promote']:.2%} for each gate",
        levels,
        n,
    )
    guardrails(console, n)


if __name__ == "__main__":
    main()
