"""Matured quality by version and month: the right rows, scikit-learn's figures, true intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, roc_auc_score

from churnkit import errors
from churnkit.measures.profit import campaign_profit, profit_threshold
from churnkit.monitoring.performance import Matured, exact_rate, matured_quality
from churnkit.settings.money import Money

_AMOUNTS = Money().model_dump(exclude={"currency"})


def _cohort(n: int, seed: int, months: tuple[str, ...] = ("2026-01", "2026-02")) -> Matured:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, n)
    return Matured(
        version=np.where(np.arange(n) % 3 == 0, "v2", "v1").tolist(),
        month=rng.choice(months, n).tolist(),
        customer=[f"C{i}" for i in range(n)],
        p=p,
        left=rng.random(n) < p,
    )


def test_every_version_and_month_has_its_figures() -> None:
    matured = _cohort(3_000, 1)
    told = matured_quality(matured, money=Money(), rounds=100)
    assert [(q.version, q.month) for q in told] == [
        (version, month) for version in ("v1", "v2") for month in (None, "2026-01", "2026-02")
    ]
    for row in told:
        mine = np.array(matured.version) == row.version
        if row.month is not None:
            mine &= np.array(matured.month) == row.month
        left, p = matured.left[mine], matured.p[mine]
        assert row.n == mine.sum()
        assert row.metrics["roc_auc"].value == pytest.approx(roc_auc_score(left, p))
        assert row.metrics["brier"].value == pytest.approx(brier_score_loss(left, p))
        assert row.metrics["calibration_gap"].value == pytest.approx(p.mean() - left.mean())
        profit = campaign_profit(left, p, threshold=profit_threshold(**_AMOUNTS), **_AMOUNTS)
        assert row.metrics["profit"].value == pytest.approx(profit)
        riskiest = np.argsort(-p, kind="stable")[: int(np.ceil(len(p) / 10))]
        lift = left[riskiest].mean() / left.mean()
        assert row.metrics["lift"].value == pytest.approx(lift, rel=0.03)
        assert row.ece_by_chance is not None
        assert row.metrics["ece"].low <= row.ece_by_chance * 2
        for estimate in (*row.metrics.values(), row.rate):
            assert estimate.low <= estimate.value <= estimate.high


def test_intervals_of_a_month_cover() -> None:
    """100 months of 400 customers, 95 % intervals of Brier score and AUC.

    The truth comes from half a million. Percentile intervals may lose two points: at 93 % fewer
    than 85 hits of 100 have probability below 0.003.
    """
    rng = np.random.default_rng(0)
    p = rng.beta(1, 3, 500_000)
    left = rng.random(500_000) < p
    truth = {"brier": brier_score_loss(left, p), "roc_auc": roc_auc_score(left, p)}
    hits = dict.fromkeys(truth, 0)
    for seed in range(100):
        matured = _cohort(400, seed, months=("2026-01",))
        whole = Matured(["v1"] * 400, matured.month, matured.customer, matured.p, matured.left)
        metrics = matured_quality(whole, money=Money(), rounds=200, seed=seed)[1].metrics
        for name, value in truth.items():
            hits[name] += metrics[name].low <= value <= metrics[name].high
    assert min(hits.values()) >= 85, hits


def test_repeated_customers_widen_the_interval() -> None:
    alone = _cohort(600, 4, months=("2026-01",))
    versions = ["v1"] * 600
    apart = Matured(versions, alone.month, alone.customer, alone.p, alone.left)
    together = Matured(
        versions * 4,
        [*alone.month] * 4,
        [*alone.customer] * 4,
        np.tile(alone.p, 4),
        np.tile(alone.left, 4),
    )
    first, second = (matured_quality(m, money=Money())[0] for m in (apart, together))
    for name in ("brier", "roc_auc"):
        ratio = np.subtract(*_ends(second.metrics[name])) / np.subtract(*_ends(first.metrics[name]))
        assert 0.75 < ratio < 1.35, name  # taken for new customers it would be 0.5
    assert np.subtract(*_ends(second.rate)) == pytest.approx(
        np.subtract(*_ends(first.rate)), rel=0.3
    )


def _ends(estimate: object) -> tuple[float, float]:
    return estimate.low, estimate.high  # type: ignore[attr-defined]  # an Estimate


@pytest.mark.parametrize(("n", "n_positive"), [(5, 2), (200, 3), (200, 0), (60, 60)])
def test_too_few_get_an_exact_rate_and_no_figures(n: int, n_positive: int) -> None:
    left = np.arange(n) < n_positive
    matured = Matured(
        ["v1"] * n, ["2026-01"] * n, [str(i) for i in range(n)], np.full(n, 0.3), left
    )
    row = matured_quality(matured, money=Money())[1]
    assert row.metrics == {}
    assert "Too few customers" in row.notes[0]
    exact = binomtest(n_positive, n).proportion_ci(method="exact")
    assert (row.rate.low, row.rate.high) == pytest.approx((exact.low, exact.high))
    assert exact_rate(n_positive, n) == row.rate


def test_nothing_matured_is_said() -> None:
    with pytest.raises(errors.NothingMatured, match=r"Wait until lead, horizon and grace"):
        matured_quality(Matured([], [], [], np.empty(0), np.empty(0, dtype=bool)), money=Money())
    with pytest.raises(ValueError, match="must lie in"):
        Matured(["v1"], ["2026-01"], ["a"], np.array([1.5]), np.array([True]))
