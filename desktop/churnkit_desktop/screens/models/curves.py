"""The curves of one or two versions: calibration, lift, profit, ROC."""

from __future__ import annotations

from churnkit.domain.evaluation import Evaluation
from churnkit_desktop.language import tr
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.words import with_unit


class Curves:
    """Four charts, and what is drawn in them.

    Parameters
    ----------
    currency : of profits; empty: not known
    """

    def __init__(self, theme: Theme, currency: str) -> None:
        self.calibration = Chart(
            theme,
            "calibration",
            x_label=tr("predicted probability (%)"),
            y_label=tr("share that left (%)"),
        )
        self.lift = Chart(
            theme,
            "lift",
            x_label=tr("tenth of customers, the riskiest first"),
            y_label=tr("lift (times the average)"),
        )
        self.profit = Chart(
            theme,
            "profit",
            x_label=tr("customers contacted (%)"),
            y_label=with_unit(tr("profit per customer"), currency),
        )
        self.roc = Chart(
            theme,
            "roc",
            x_label=tr("stayers above the line (%)"),
            y_label=tr("leavers above the line (%)"),
        )

    def titled(self) -> tuple[tuple[Chart, str], ...]:
        """The charts, with the words of their tabs."""
        return (
            (self.calibration, tr("Calibration")),
            (self.lift, tr("Lift")),
            (self.profit, tr("Profit")),
            (self.roc, "ROC"),
        )

    def clear(self) -> None:
        """Draw only what every version is measured by."""
        for chart, _ in self.titled():
            chart.clear()
        self.calibration.line(tr("perfect"), [0, 100], [0, 100], colour=6, style="dash")
        self.roc.line(tr("chance"), [0, 100], [0, 100], colour=6, style="dash")

    def draw(self, title: str, evaluation: Evaluation, colour: int) -> None:
        """Add the curves of a version."""
        bins = evaluation.calibration
        x = [b.mean_probability * 100 for b in bins]
        self.calibration.band(
            tr("{title} interval").format(title=title),
            x,
            [b.rate.low * 100 for b in bins],
            [b.rate.high * 100 for b in bins],
            colour=colour,
        )
        self.calibration.line(
            title, x, [b.rate.value * 100 for b in bins], colour=colour, dots=True
        )
        tenths = evaluation.deciles
        x = [float(d.decile) for d in tenths]
        self.lift.band(
            tr("{title} interval").format(title=title),
            x,
            [d.lift.low for d in tenths],
            [d.lift.high for d in tenths],
            colour=colour,
        )
        self.lift.line(title, x, [d.lift.value for d in tenths], colour=colour, dots=True)
        self.profit.line(
            title,
            [v * 100 for v in evaluation.profit_curve.x],
            evaluation.profit_curve.y,
            colour=colour,
        )
        self.roc.line(
            title,
            [v * 100 for v in evaluation.roc.x],
            [v * 100 for v in evaluation.roc.y],
            colour=colour,
        )
