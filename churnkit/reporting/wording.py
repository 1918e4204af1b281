"""How figures are said, the same in terminals and reports."""

from __future__ import annotations

from churnkit.domain.evaluation import Estimate, Evaluation
from churnkit.settings.money import Money

CANDIDATE_TITLES = {
    "logistic_regression": "logistic regression",
    "random_forest": "random forest",
    "gradient_boosting": "gradient boosting",
    "hist_gradient_boosting": "hist gradient boosting",
}


def candidate_title(name: str) -> str:
    """A candidate's name as a person says it."""
    return CANDIDATE_TITLES.get(name, name.replace("_", " "))


def interval(estimate: Estimate, form: str = ".3f") -> str:
    """``0.846 [0.825, 0.866]``."""
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


METRICS = (
    ("roc_auc", "ROC AUC", "a leaver scores higher than a stayer, with this chance (0.5 = luck)"),
    ("average_precision", "average precision", "mean share of leavers among the flagged"),
    ("brier", "Brier score", "mean squared error of the probability; lower is better"),
    ("log_loss", "log loss", "surprise at what happened; lower is better"),
    ("ece", "calibration error", "mean gap between what was said and what happened (ECE)"),
)
"""Name, title, meaning."""


def metric_rows(evaluation: Evaluation, money: Money) -> list[tuple[str, str, str]]:
    """Title, figure with interval, and meaning of each metric."""
    rows = [
        (title, interval(evaluation.metrics[name]), meaning)
        for name, title, meaning in METRICS
        if name in evaluation.metrics
    ]
    for name, title, meaning in (
        (
            "profit",
            f"profit, {money.currency} per customer",
            f"contacting the {evaluation.contacted:.0%} with probability ≥ "
            f"{evaluation.threshold:.3f}",
        ),
        (
            "profit_contact_all",
            f"contacting all, {money.currency} per customer",
            "for comparison: no model, everybody is contacted",
        ),
    ):
        if name in evaluation.metrics:
            rows.append((title, interval(evaluation.metrics[name], ".2f"), meaning))
    return rows


def headline(evaluation: Evaluation) -> str:
    """The one sentence for who reads one sentence."""
    first = evaluation.deciles[0].capture
    return (
        f"The riskiest tenth of customers holds {first.value:.0%} of all who leave "
        f"[{first.low:.0%}, {first.high:.0%}]."
    )


def money_line(evaluation: Evaluation, money: Money) -> str:
    """What acting on the model is expected to earn."""
    gain, everyone = evaluation.metrics["profit"], evaluation.metrics["profit_contact_all"]
    return (
        f"Contacting customers with a probability of at least {evaluation.threshold:.3f} "
        f"({evaluation.contacted:.0%} of them) is expected to earn {interval(gain, '.2f')} "
        f"{money.currency} per customer; contacting everybody {interval(everyone, '.2f')}."
    )


def points(value: float) -> str:
    """A share as percentage points: ``+12.3``."""
    return f"{100 * value:+.1f}"


def shown_value(value: object) -> str:
    """A raw value as a person reads it."""
    if value is None or value != value:  # not-a-number differs from itself
        return "missing"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return str(value)
