"""How good a model is, on customers it never saw; every figure with its interval."""

from __future__ import annotations

from churnkit.domain.frozen import Frozen


class Estimate(Frozen):
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Decile(Frozen):
    """A tenth of the customers, ordered by score; decile 1 is the riskiest."""

    decile: int
    n: int
    mean_probability: float
    rate: float
    lift: Estimate
    capture: Estimate
    """Share of all churners in this and all riskier deciles."""


class CalibrationBin(Frozen):
    """Customers of similar score: what was said, and what happened."""

    n: int
    mean_probability: float
    rate: Estimate


class Slice(Frozen):
    """Quality within one segment; AUC is None where a segment has one class only."""

    column: str
    value: str
    n: int
    rate: float
    mean_probability: float
    roc_auc: Estimate | None
    brier: Estimate


class Curve(Frozen):
    """Points of a figure, at most 400 of them."""

    x: tuple[float, ...]
    y: tuple[float, ...]


class Evaluation(Frozen):
    """One evaluation on the test set.

    ``metrics`` has ``roc_auc, average_precision, brier, log_loss, ece, profit`` (expected
    profit per customer at ``threshold``, in the currency), ``profit_contact_all`` (everyone is
    contacted). ``threshold`` follows from the money settings alone: contact at or above it.
    ``profit_curve``: x = share of customers contacted, y = profit per customer.
    """

    n: int
    n_positive: int
    metrics: dict[str, Estimate]
    threshold: float
    contacted: float
    """Share of customers at or above the threshold."""
    deciles: tuple[Decile, ...]
    calibration: tuple[CalibrationBin, ...]
    slices: tuple[Slice, ...]
    roc: Curve
    precision_recall: Curve
    profit_curve: Curve
    bootstrap_rounds: int
    notes: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """Share of churners in the test set."""
        return self.n_positive / self.n
