"""How good each model version was, month by month, on customers whose labels have matured.

Give only matured cohorts, and only outcomes that count as evidence (hold-out, or nobody treated):
labels as they arrive are biased towards the class that is known first (DESIGN §2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from churnkit.domain.evaluation import Estimate
from churnkit.domain.frozen import Frozen
from churnkit.errors import NothingMatured
from churnkit.measures.bootstrap import (
    Figure,
    chance_ece,
    estimates,
    expected_calibration_error,
    mean_of,
    roc_auc,
)
from churnkit.measures.deciles import deciles
from churnkit.measures.profit import contact_profit, profit_threshold
from churnkit.settings.money import Money

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROUNDS = 500
FEWEST_ROWS = 50
FEWEST_OF_CLASS = 10
"""Below these a bootstrap interval says too little: only counts and the rate are given."""


@dataclass(frozen=True)
class Matured:
    """Predictions whose outcome is known, one row each.

    Parameters
    ----------
    version : which model version predicted, shape (n,)
    month : of ``as_of``, such as 2026-03, shape (n,)
    customer : rows of one customer are not independent, shape (n,)
    p : the probability that was said, in [0, 1], shape (n,)
    left : what happened, shape (n,)
    """

    version: Sequence[str]
    month: Sequence[str]
    customer: Sequence[str]
    p: Floats
    left: Bools

    def __post_init__(self) -> None:
        n = len(self.p)
        if not len(self.version) == len(self.month) == len(self.customer) == len(self.left) == n:
            raise ValueError("every part of Matured needs one entry per row")
        if n and not (np.isfinite(self.p).all() and self.p.min() >= 0 and self.p.max() <= 1):
            raise ValueError("probabilities must lie in [0, 1]")


class Quality(Frozen):
    """One version in one month, or in all months together (``month`` None).

    ``rate`` has an exact interval (Clopper & Pearson 1934) when no customer appears twice.
    ``metrics`` has ``roc_auc, brier, ece, calibration_gap`` (mean probability minus rate), ``lift``
    (of the riskiest tenth) and ``profit`` (per customer, in the currency, contacting from
    ``threshold`` on); it is empty, and ``notes`` says why, when there are too few customers.
    """

    version: str
    month: str | None
    n: int
    n_positive: int
    rate: Estimate
    mean_probability: float
    threshold: float
    metrics: dict[str, Estimate]
    ece_by_chance: float | None = None
    notes: tuple[str, ...] = ()


def matured_quality(
    matured: Matured, *, money: Money, rounds: int = ROUNDS, seed: int = 0
) -> tuple[Quality, ...]:
    """Every version: all months together, then each month; versions and months in order.

    Raises
    ------
    NothingMatured : there is no row
    """
    if not len(matured.p):
        raise NothingMatured(
            "no prediction's label has matured yet.",
            fix="Wait until lead, horizon and grace have passed, or import outcomes.",
        )
    versions, months = np.asarray(matured.version), np.asarray(matured.month)
    customers = np.unique(np.asarray(matured.customer), return_inverse=True)[1]
    left = np.asarray(matured.left, dtype=np.bool_)
    told: list[Quality] = []
    for version in sorted(set(versions.tolist())):
        mine = versions == version
        for month in (None, *sorted(set(months[mine].tolist()))):
            rows = mine if month is None else mine & (months == month)
            told.append(
                _quality(
                    version,
                    month,
                    left[rows],
                    matured.p[rows],
                    customers[rows],
                    money=money,
                    rounds=rounds,
                    seed=seed,
                )
            )
    return tuple(told)


def exact_rate(n_positive: int, n: int, *, error: float = 0.05) -> Estimate:
    """A share with its exact interval (Clopper & Pearson 1934).

    Parameters
    ----------
    n_positive, n : 0 <= n_positive <= n, n > 0
    """
    low = betaincinv(n_positive, n - n_positive + 1, error / 2) if n_positive else 0.0
    high = betaincinv(n_positive + 1, n - n_positive, 1 - error / 2) if n_positive < n else 1.0
    return Estimate(value=n_positive / n, low=float(low), high=float(high))


def _quality(
    version: str,
    month: str | None,
    left: Bools,
    p: Floats,
    customers: npt.NDArray[np.int64],
    *,
    money: Money,
    rounds: int,
    seed: int,
) -> Quality:
    n, n_positive = len(p), int(left.sum())
    amounts = money.model_dump(exclude={"currency"})
    threshold = profit_threshold(**amounts)
    rate, notes = exact_rate(n_positive, n), []
    repeated = len(np.unique(customers)) < n
    enough = n >= FEWEST_ROWS and min(n_positive, n - n_positive) >= FEWEST_OF_CLASS
    metrics: dict[str, Estimate] = {}
    by_chance: float | None = None
    if enough:
        each = np.where(p >= threshold, contact_profit(left, **amounts), 0.0)
        figures: dict[str, Figure] = {
            "roc_auc": roc_auc(left, p),
            "brier": mean_of((p - left) ** 2),
            "ece": expected_calibration_error(left, p),
            "calibration_gap": mean_of(p - left),
            "profit": mean_of(each),
        }
        if repeated:
            figures["rate"] = mean_of(left.astype(np.float64))
        metrics = estimates(figures, customers, rounds=rounds, seed=seed)
        rate = metrics.pop("rate", rate)
        metrics["lift"] = deciles(left, p, customers, rounds=rounds, seed=seed)[0].lift
        by_chance = chance_ece(p, seed=seed)
    else:
        notes.append(
            f"Too few customers for figures: at least {FEWEST_ROWS} are needed, and "
            f"{FEWEST_OF_CLASS} of them leaving and staying."
        )
    if repeated and not enough:
        notes.append("Customers appear more than once: the interval of the rate is too narrow.")
    return Quality(
        version=version,
        month=month,
        n=n,
        n_positive=n_positive,
        rate=rate,
        mean_probability=float(p.mean()),
        threshold=threshold,
        metrics=metrics,
        ece_by_chance=by_chance,
        notes=tuple(notes),
    )
