"""One evaluation on customers that the model never saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.metrics import precision_recall_curve, roc_curve

from churnkit.data.target import value_text
from churnkit.domain.evaluation import CalibrationBin, Curve, Estimate, Evaluation, Slice
from churnkit.measures.bootstrap import (
    Figure,
    average_precision,
    calibration_bins,
    chance_ece,
    estimates,
    expected_calibration_error,
    many_estimates,
    mean_of,
    roc_auc,
)
from churnkit.measures.deciles import deciles
from churnkit.measures.profit import contact_profit, profit_by_share, profit_threshold
from churnkit.settings.money import Money

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ROUNDS = 1_000
_SLICE_ROUNDS = 300
_POINTS = 400
_BINS = 10
_MIN_SLICE = 50
_MAX_SLICES = 24
_SMALLEST = 1e-15


def evaluate(
    left: Bools,
    p: Floats,
    *,
    groups: Ints,
    money: Money,
    segments: pa.Table | None = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Evaluation:
    """All figures with bootstrap intervals.

    Parameters
    ----------
    left : shape (n,), who left
    p : shape (n,), calibrated probabilities in [0, 1]
    groups : shape (n,); rows of one group are resampled together
    money : the threshold follows from it, and from nothing else
    segments : n rows; quality is shown for each value of each column
    rounds : bootstrap rounds
    """
    amounts = money.model_dump(exclude={"currency"})
    each = contact_profit(left, **amounts)
    threshold = profit_threshold(**amounts)
    figures: dict[str, Figure] = {
        "roc_auc": roc_auc(left, p),
        "average_precision": average_precision(left, p),
        "brier": mean_of((p - left) ** 2),
        "log_loss": mean_of(_log_losses(left, p)),
        "ece": expected_calibration_error(left, p, _BINS),
        "profit": mean_of(np.where(p >= threshold, each, 0.0)),
        "profit_contact_all": mean_of(each),
    }
    share, profit = profit_by_share(left, p, each)
    false_alarms, caught, _ = roc_curve(left, p)
    precision, recall, _ = precision_recall_curve(left, p)
    notes = [
        "A perfectly calibrated model would show a calibration error of about "
        f"{chance_ece(p, _BINS, seed=seed):.3f} on these customers by chance."
    ]
    if threshold > 1:
        notes.append("With these costs no contact pays, whatever the probability.")
    return Evaluation(
        n=len(left),
        n_positive=int(left.sum()),
        metrics=estimates(figures, groups, rounds=rounds, seed=seed),
        threshold=threshold,
        contacted=float((p >= threshold).mean()),
        deciles=deciles(left, p, groups, rounds=rounds, seed=seed),
        calibration=_calibration(left, p, groups, rounds, seed),
        slices=() if segments is None else _slices(left, p, groups, segments, seed),
        roc=_curve(false_alarms, caught),
        precision_recall=_curve(recall[::-1], precision[::-1]),
        profit_curve=_curve(share, profit),
        bootstrap_rounds=rounds,
        notes=tuple(notes),
    )


def choose_segments(
    table: pa.Table, inputs: Sequence[str], wanted: Sequence[str], most: int = 4
) -> pa.Table:
    """Columns to show quality by: those that were asked for, or the first with 2 to 6 values.

    Parameters
    ----------
    inputs : the model's columns, the weightiest first
    wanted : from churnkit.toml; empty: churnkit chooses
    """
    names = [name for name in wanted if name in table.column_names]
    if not names:
        names = [
            name for name in inputs if 2 <= pc.count_distinct(table.column(name)).as_py() <= 6
        ][:most]
    return table.select(names)


def _log_losses(left: Bools, p: Floats) -> Floats:
    clipped = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    return np.where(left, -np.log(clipped), -np.log1p(-clipped))


def _calibration(
    left: Bools, p: Floats, groups: Ints, rounds: int, seed: int
) -> tuple[CalibrationBin, ...]:
    bins = np.unique(calibration_bins(p, _BINS), return_inverse=True)[1]
    member = (bins[:, None] == np.arange(int(bins.max()) + 1)).astype(np.float64)

    def rates(weights: Floats) -> Floats:
        drawn = weights @ member
        rate = (weights @ (member * left[:, None])) / np.maximum(drawn, _SMALLEST)
        return np.where(drawn > 0, rate, np.nan)

    told = many_estimates({"rate": rates}, groups, rounds=rounds, seed=seed)["rate"]
    return tuple(
        CalibrationBin(
            n=int(member[:, i].sum()), mean_probability=float(p[bins == i].mean()), rate=rate
        )
        for i, rate in enumerate(told)
    )


def _slices(
    left: Bools, p: Floats, groups: Ints, segments: pa.Table, seed: int
) -> tuple[Slice, ...]:
    found: list[Slice] = []
    for name in segments.column_names:
        values = np.asarray([value_text(v) or "missing" for v in segments.column(name).to_pylist()])
        for value in sorted(set(values.tolist())):
            here = values == value
            if here.sum() < _MIN_SLICE or len(found) >= _MAX_SLICES:
                continue
            both = 0 < left[here].sum() < here.sum()
            figures: dict[str, Figure] = {"brier": mean_of((p[here] - left[here]) ** 2)}
            if both:
                figures["auc"] = roc_auc(left[here], p[here])
            told: dict[str, Estimate] = estimates(
                figures, groups[here], rounds=_SLICE_ROUNDS, seed=seed
            )
            found.append(
                Slice(
                    column=name,
                    value=value,
                    n=int(here.sum()),
                    rate=float(left[here].mean()),
                    mean_probability=float(p[here].mean()),
                    roc_auc=told.get("auc"),
                    brier=told["brier"],
                )
            )
    return tuple(found)


def _curve(x: Floats, y: Floats) -> Curve:
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), _POINTS)).round().astype(np.int64))
    return Curve(x=tuple(x[keep].tolist()), y=tuple(y[keep].tolist()))
