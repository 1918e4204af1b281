"""How a rollout's evidence grew: bounds that shrink around the gain, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.reporting.figures import ACCENT, BAND, INK, MAIN, MUTED, Draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    "profit": "profit per customer",
    "brier": "Brier score",
    "log_loss": "log loss",
    "error_rate": "error rate",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What was known of one metric at one look."""

    pairs: int
    mean: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Course:
    """One metric of a rollout, look by look.

    ``tolerance``: a gate is passed when the lower bound is above ``-tolerance``, a guardrail is
    breached when the upper one is below it.
    """

    title: str
    role: str
    metric: str
    tolerance: float
    looks: tuple[Look, ...]
    marks: tuple[tuple[int, str], ...]
    """Matured pairs at which something was decided, and what."""


def course(
    decisions: Sequence[tuple[int, Mapping[str, Any]]], *, role: str, metric: str, title: str
) -> Course:
    """A metric's course from decisions as the ledger keeps them.

    Parameters
    ----------
    decisions : matured pairs and decision of each look, the oldest first
    """
    looks: list[Look] = []
    marks: list[tuple[int, str]] = []
    tolerance = 0.0
    for pairs, decision in decisions:
        if decision["verdict"] not in ("wait", "pause") and decision["changes"]:
            marks.append((pairs, str(decision["verdict"])))
        for reading in decision["readings"]:
            if (reading["role"], reading["metric"], reading["stream"]) != (role, metric, "live"):
                continue
            tolerance = reading["tolerance"]
            if reading["mean"] is not None and None not in (reading["lower"], reading["upper"]):
                looks.append(Look(pairs, reading["mean"], reading["lower"], reading["upper"]))
    return Course(title, role, metric, tolerance, tuple(looks), tuple(marks))


def draw_course(one: Course) -> Draw:
    """The bounds over matured pairs, the line that they have to pass, and the decisions."""

    def draw(axes: Axes) -> None:
        pairs = [look.pairs for look in one.looks]
        if pairs:
            lower = [look.lower for look in one.looks]
            upper = [look.upper for look in one.looks]
            means = [look.mean for look in one.looks]
            axes.fill_between(pairs, lower, upper, color=BAND, label="bounds, at every look")
            axes.plot(pairs, means, color=MAIN, label="gain so far")
            # The first bounds are wide: what matters is where they end.
            reach = 3 * max(abs(value) for value in (lower[-1], upper[-1], one.tolerance))
            if reach:
                axes.set_ylim(-reach, reach)
        else:
            axes.text(0.5, 0.5, "no matured pairs", transform=axes.transAxes, ha="center")
        wanted = "promotes above" if one.role == "gate" else "stops below"
        axes.axhline(-one.tolerance, color=ACCENT, linestyle="--", linewidth=1, label=wanted)
        for at, verdict in one.marks:
            final = verdict in ("promote", "abort")
            axes.axvline(at, color=ACCENT if verdict == "abort" else MUTED, linewidth=0.8)
            if final:
                axes.annotate(
                    f" {verdict} ",
                    (at, 0.03),
                    xycoords=("data", "axes fraction"),
                    ha="right",
                    color=INK,
                    weight="bold",
                )
        axes.set(
            title=one.title,
            xlabel="matured pairs",
            ylabel=f"gain in {TITLES.get(one.metric, one.metric)}",
        )
        axes.legend(loc="upper right", fontsize=8)

    return draw
