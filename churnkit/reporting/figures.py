"""Figures of an evaluation: one drawing function each, as PNG or as SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from churnkit.domain.evaluation import Estimate, Evaluation
from churnkit.domain.runs import RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1f2933"
MUTED = "#7b8794"
MAIN = "#0b6e99"
BAND = "#b9dcea"
ACCENT = "#d9480f"

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": "#cbd2d9",
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#eef1f4",
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "churnkit",
}

Draw = Callable[["Axes"], None]


def calibration(evaluation: Evaluation) -> Draw:
    """What was said against what happened, with intervals."""

    def draw(axes: Axes) -> None:
        bins = evaluation.calibration
        x = [part.mean_probability for part in bins]
        y = [part.rate.value for part in bins]
        low = [max(part.rate.value - part.rate.low, 0) for part in bins]
        high = [max(part.rate.high - part.rate.value, 0) for part in bins]
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="perfect")
        axes.errorbar(x, y, yerr=[low, high], color=MAIN, marker="o", capsize=3, label="model")
        axes.set(
            title="Does 30 % mean 30 %?",
            xlabel="predicted probability of leaving",
            ylabel="share that left",
            xlim=(0, 1),
            ylim=(0, 1),
        )
        axes.legend(loc="upper left")

    return draw


def roc(evaluation: Evaluation) -> Draw:
    """Caught churners against false alarms."""

    def draw(axes: Axes) -> None:
        auc = evaluation.metrics["roc_auc"]
        axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="by chance")
        axes.plot(evaluation.roc.x, evaluation.roc.y, color=MAIN, label=f"AUC {auc}")
        axes.set(
            title="Telling leavers from stayers",
            xlabel="share of stayers flagged",
            ylabel="share of leavers flagged",
            xlim=(0, 1),
            ylim=(0, 1.01),
        )
        axes.legend(loc="lower right")

    return draw


def precision_recall(evaluation: Evaluation) -> Draw:
    """How many of the flagged left, by how many leavers are flagged."""

    def draw(axes: Axes) -> None:
        curve = evaluation.precision_recall
        axes.axhline(evaluation.rate, color=MUTED, linestyle=":", label="by chance")
        precision = evaluation.metrics["average_precision"]
        axes.plot(curve.x, curve.y, color=MAIN, label=f"average {precision}")
        axes.set(
            title="Of those we flag, how many leave?",
            xlabel="share of leavers flagged",
            ylabel="share of flagged who left",
            xlim=(0, 1),
            ylim=(0, 1.01),
        )
        axes.legend(loc="upper right")

    return draw


def lift(evaluation: Evaluation) -> Draw:
    """How many times the average each tenth leaves."""

    def draw(axes: Axes) -> None:
        deciles = evaluation.deciles
        values = [part.lift.value for part in deciles]
        low = [max(part.lift.value - part.lift.low, 0) for part in deciles]
        high = [max(part.lift.high - part.lift.value, 0) for part in deciles]
        axes.bar(
            [part.decile for part in deciles],
            values,
            color=BAND,
            edgecolor=MAIN,
            yerr=[low, high],
            ecolor=INK,
            capsize=3,
        )
        axes.axhline(1, color=MUTED, linestyle=":")
        axes.set(
            title="The riskiest tenth first",
            xlabel="tenth of customers, riskiest = 1",
            ylabel="times the average rate",
            xticks=[part.decile for part in deciles],
        )

    return draw


def profit(evaluation: Evaluation, currency: str = "") -> Draw:
    """Expected profit per customer, by how many are contacted."""

    def draw(axes: Axes) -> None:
        curve = evaluation.profit_curve
        axes.plot(curve.x, curve.y, color=MAIN)
        axes.axvline(evaluation.contacted, color=ACCENT, linestyle="--", label="the threshold")
        axes.axhline(0, color=MUTED, linestyle=":")
        unit = f" ({currency})" if currency else ""
        axes.set(
            title="Whom is it worth contacting?",
            xlabel="share of customers contacted, riskiest first",
            ylabel=f"expected profit per customer{unit}",
            xlim=(0, 1),
        )
        axes.legend(loc="best")

    return draw


def importance(importances: Mapping[str, Estimate], n: int = 12) -> Draw:
    """What the model would lose without each column."""

    def draw(axes: Axes) -> None:
        top = sorted(importances.items(), key=lambda pair: -pair[1].value)[:n][::-1]
        values = [estimate.value for _, estimate in top]
        low = [max(estimate.value - estimate.low, 0) for _, estimate in top]
        high = [max(estimate.high - estimate.value, 0) for _, estimate in top]
        axes.barh(range(len(top)), values, color=BAND, edgecolor=MAIN, xerr=[low, high], ecolor=INK)
        # A dollar sign in a column's name is not mathematics.
        names = [_short(name).replace("$", r"\$") for name, _ in top]
        axes.set(
            title="What the model listens to",
            xlabel="loss of AUC when the column is shuffled",
            yticks=range(len(top)),
            yticklabels=names,
        )
        axes.grid(visible=False, axis="y")

    return draw


def png(draw: Draw) -> bytes:
    """A drawing as PNG."""
    stream = io.BytesIO()
    _save(draw, stream, "png")
    return stream.getvalue()


def svg(draw: Draw, label: str) -> str:
    """A drawing as inline SVG, the same bytes each time.

    Parameters
    ----------
    label : what it shows, for who cannot see it; it also keeps ids apart on one page
    """
    stream = io.BytesIO()
    _save(draw, stream, "svg")
    text = stream.getvalue().decode()
    text = text[text.index("<svg") :]
    prefix = re.sub(r"\W+", "-", label.casefold())
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def sheet(rows: Sequence[Sequence[Draw]], kind: str, *, dpi: int = 110) -> bytes:
    """Several drawings side by side, in rows of equal length, as ``png`` or ``svg``."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    with mpl.rc_context(_STYLE):
        size = (5.6 * len(rows[0]), 3.6 * len(rows))
        figure = Figure(figsize=size, layout="constrained")
        places = figure.subplots(len(rows), len(rows[0]), squeeze=False)
        for axes, draw in zip(places.flat, (one for row in rows for one in row), strict=True):
            draw(axes)
        figure.savefig(stream, format=kind, dpi=dpi, metadata=_metadata(kind))
    return stream.getvalue()


def all_figures(record: RunRecord) -> dict[str, bytes]:
    """The figures of a run as PNG, by file name."""
    evaluation = record.evaluation
    drawings = {
        "calibration.png": calibration(evaluation),
        "roc.png": roc(evaluation),
        "precision_recall.png": precision_recall(evaluation),
        "lift.png": lift(evaluation),
        "profit.png": profit(evaluation, str(record.settings.get("money", {}).get("currency", ""))),
        "importance.png": importance(record.importance),
    }
    return {name: png(draw) for name, draw in drawings.items()}


def _save(draw: Draw, stream: io.BytesIO, kind: str) -> None:
    # No pyplot: it keeps figures in a global list, which threads would share.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 3.5), layout="constrained")
        draw(figure.add_subplot())
        figure.savefig(stream, format=kind, dpi=110, metadata=_metadata(kind))


def _metadata(kind: str) -> dict[str, Any]:
    """Nothing that differs between two drawings of the same."""
    return {"Date": None} if kind == "svg" else {"Software": None}


def _short(name: str, limit: int = 26) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
