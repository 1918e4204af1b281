"""Quality before labels: what calibrated scores say about themselves.

If customers with score p leave at rate c(p), then the expected Brier score, AUC and profit of a
cohort follow from its scores alone. c is fitted on the newest matured cohort. The interval is for
the figures that will *come true* on these very customers: it holds the error of c (the matured
cohort is resampled) and their labels (drawn with probability c).

It follows covariate drift: other customers, the same c. It is **blind to concept drift**, when c
itself changes, and then states a wrong figure with a narrow interval. So it may pause a rollout,
and never abort or promote.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from churnkit.domain.evaluation import Estimate
from churnkit.domain.frozen import Frozen
from churnkit.errors import NothingMatured
from churnkit.measures.bootstrap import roc_area
from churnkit.measures.profit import contact_profit, profit_threshold
from churnkit.monitoring.recalibration import Method, choose_method, recalibrate
from churnkit.settings.money import Money

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROUNDS = 200
BLIND = "Blind to concept drift: it assumes that customers with a score leave as they did before."


class LabelFree(Frozen):
    """Estimates of figures that are not known yet.

    ``metrics`` has ``roc_auc, brier, profit`` (per customer, at the money's threshold) and
    ``rate``, each with the 95 % interval of what will come true. ``n_matured`` customers gave the
    recalibration; with method ``none`` the scores were taken at their word.
    """

    n: int
    n_matured: int
    method: Method
    metrics: dict[str, Estimate]
    caveat: str = BLIND


class Beside(Frozen):
    """An estimate beside what came true."""

    metric: str
    estimated: Estimate
    realised: Estimate
    error: float
    """Estimated minus realised."""
    inside: bool
    """Whether what came true lies in the estimate's interval; if not, suspect concept drift."""


def estimate_without_labels(
    p: Floats,
    *,
    money: Money,
    matured_p: Floats | None = None,
    matured_left: Bools | None = None,
    method: Method | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> LabelFree:
    """Figures of customers whose labels are not known.

    Parameters
    ----------
    p : shape (n,), their probabilities, one row per customer
    matured_p, matured_left : shape (m,), the newest matured cohort of the same model version
    method : of recalibration; None chooses by the size of the cohort

    Raises
    ------
    NothingMatured : there is no customer
    """
    if not len(p):
        raise NothingMatured("there are no scores to judge by.", fix="Score some customers first.")
    known_p = np.empty(0) if matured_p is None else matured_p
    known = np.empty(0, dtype=np.bool_) if matured_left is None else matured_left
    if len(known_p) != len(known):
        raise ValueError("matured_p and matured_left need one entry per customer")
    chosen = method or choose_method(int(known.sum()), len(known))
    if not len(known):
        chosen = "none"
    figures = _Figures(p, money)
    rates = recalibrate(known_p, known, np.ones(len(known)), chosen)(p)
    value = figures.expected(rates)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(rounds):
        weights = _resampled(rng, len(known))
        now = recalibrate(known_p, known, weights, chosen)(p)
        drawn.append(figures.realised(rng.random(len(p)) < now))
    table = np.array(drawn)
    # No AUC of a single customer, nor where every round drew one class.
    known_figures = np.isfinite(value) & np.isfinite(table).any(axis=0)
    table = table[:, known_figures]
    low, high = np.nanquantile(table, [0.025, 0.975], axis=0)
    names = np.array(figures.names)[known_figures].tolist()
    return LabelFree(
        n=len(p),
        n_matured=len(known),
        method=chosen,
        metrics={
            name: Estimate(value=float(v), low=float(min(a, v)), high=float(max(b, v)))
            for name, v, a, b in zip(names, value[known_figures], low, high, strict=True)
        },
    )


def beside_the_truth(estimated: LabelFree, realised: Mapping[str, Estimate]) -> tuple[Beside, ...]:
    """The figures that both have, once labels have matured."""
    return tuple(
        Beside(
            metric=name,
            estimated=estimate,
            realised=realised[name],
            error=estimate.value - realised[name].value,
            inside=estimate.low <= realised[name].value <= estimate.high,
        )
        for name, estimate in estimated.metrics.items()
        if name in realised
    )


class _Figures:
    """AUC, Brier score, profit and rate of fixed scores under changing outcomes."""

    names = ("roc_auc", "brier", "profit", "rate")

    def __init__(self, p: Floats, money: Money) -> None:
        amounts = money.model_dump(exclude={"currency"})
        self._p = p
        self._area = roc_area(p)
        contacted = p >= profit_threshold(**amounts)
        gains = contact_profit(np.array([True, False]), **amounts)
        self._if_left, self._if_stayed = (np.where(contacted, gain, 0.0) for gain in gains)

    def expected(self, rates: Floats) -> Floats:
        """Over labels drawn with these rates."""
        stay = 1 - rates
        # A customer is not compared with himself.
        itself = float((rates * stay).sum())
        pairs = float(rates.sum() * stay.sum())
        area = float(self._area(rates[None], stay[None])[0])
        others = pairs - itself
        auc = (area * pairs - itself / 2) / others if others > 1e-12 else np.nan
        return self._told(auc, rates)

    def realised(self, left: Bools) -> Floats:
        """With these labels."""
        rates = left.astype(np.float64)
        return self._told(float(self._area(rates[None], (1 - rates)[None])[0]), rates)

    def _told(self, auc: float, rates: Floats) -> Floats:
        squared = rates * (1 - self._p) ** 2 + (1 - rates) * self._p**2
        profit = rates * self._if_left + (1 - rates) * self._if_stayed
        return np.array([auc, squared.mean(), profit.mean(), rates.mean()])


def _resampled(rng: np.random.Generator, n: int) -> Floats:
    if n == 0:
        return np.empty(0)
    return np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
