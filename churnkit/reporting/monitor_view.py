"""What ``monitor`` saw, as tables and as a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.domain.evaluation import Estimate
from churnkit.reporting.figures import ACCENT, MAIN, MUTED, Draw
from churnkit.reporting.tables import escape_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = (
    ("roc_auc", "AUC"),
    ("brier", "Brier"),
    ("calibration_gap", "said − true"),
    ("lift", "lift"),
)
_COUNTED = {
    "everyone": "Everybody counts: nobody was treated.",
    "holdout": "Only the hold-out counts: others may have been treated.",
    "propensity": "Untreated customers count, weighted by the probability that was logged.",
}
_STYLES = {"critical": "bold red", "warning": "yellow", "info": "dim"}
_MOST_FEATURES = 12
_MARKERS = ("o", "s", "^", "D", "v")


class QualityLike(Protocol):
    """One version in one month."""

    @property
    def month(self) -> str | None: ...
    @property
    def n(self) -> int: ...
    @property
    def rate(self) -> Estimate: ...
    @property
    def metrics(self) -> dict[str, Estimate]: ...


class BandLike(Protocol):
    """A distance, and where the true one lies at all times."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class DistancesLike(Protocol):
    """How far a feature is from its reference."""

    @property
    def psi(self) -> BandLike: ...
    @property
    def ks(self) -> BandLike | None: ...
    @property
    def js(self) -> BandLike: ...


class MovedLike(Protocol):
    """The part whose share changed most."""

    @property
    def bin(self) -> str: ...
    @property
    def before(self) -> float: ...
    @property
    def now(self) -> float: ...


class FeatureLike(Protocol):
    """Drift of one feature."""

    @property
    def name(self) -> str: ...
    @property
    def p_value(self) -> float: ...
    @property
    def alarm(self) -> object: ...
    @property
    def overall(self) -> DistancesLike: ...
    @property
    def moved(self) -> MovedLike: ...


class DriftLike(Protocol):
    """Drift of a stream."""

    @property
    def n_rows(self) -> int: ...
    @property
    def alpha(self) -> float: ...
    @property
    def alarm(self) -> object: ...
    @property
    def features(self) -> Sequence[FeatureLike]: ...


class AheadLike(Protocol):
    """Estimates without labels."""

    @property
    def n(self) -> int: ...
    @property
    def n_matured(self) -> int: ...
    @property
    def metrics(self) -> dict[str, Estimate]: ...
    @property
    def caveat(self) -> str: ...


class BesideLike(Protocol):
    """An estimate beside what came true."""

    @property
    def metric(self) -> str: ...
    @property
    def estimated(self) -> Estimate: ...
    @property
    def realised(self) -> Estimate: ...
    @property
    def inside(self) -> bool: ...


Judged = tuple[
    str,
    int,
    Sequence[QualityLike],
    DriftLike | None,
    DriftLike | None,
    AheadLike | None,
    Sequence[tuple[str, Sequence[BesideLike]]],
]


def monitor_view(
    versions: Sequence[Judged],
    *,
    currency: str,
    counting: str,
    n_waiting_days: int,
    alerts: Sequence[tuple[str, str, str]],
    told: Sequence[str],
) -> RenderableType:
    """Versions by month, what the scores say of the future, and the alerts."""
    parts: list[RenderableType] = [Text(_COUNTED[counting])]
    if n_waiting_days:
        parts.append(
            Text(
                f"{n_waiting_days:,} days are left out until their outcomes are there "
                "('churnkit outcomes status')."
            )
        )
    for version in versions:
        parts += _version(version, currency)
    if alerts:
        parts.append(Text("\nAlerts", style="bold"))
        for severity, what, request in alerts:
            line = Text(f"  {severity}: ", style=_STYLES[severity])
            line.append(what, style="default")
            if request == "pause":
                line.append(" A rollout should be paused.", style="default")
            parts.append(line)
    else:
        parts.append(Text("\nNothing alarms."))
    parts += [Text(line) for line in told]
    return Group(*parts)


def _version(judged: Judged, currency: str) -> list[RenderableType]:
    name, n_scored, quality, drift, features, ahead, beside = judged
    parts: list[RenderableType] = [Text(f"\n{name}: {n_scored:,} predictions", style="bold")]
    if quality:
        parts.append(_months(quality, currency))
    else:
        parts.append(Text("No label has matured."))
    if drift is not None:
        state = "its scores have drifted" if drift.alarm is not None else "no proven drift"
        parts.append(Text(f"Scores of {drift.n_rows:,} customers: {state}."))
    if features is not None:
        parts += _features(features)
    if ahead is not None:
        known = ", ".join(
            f"{title} {ahead.metrics[key]}"
            for key, title in (*_COLUMNS, ("rate", "rate"))
            if key in ahead.metrics
        )
        parts.append(
            Text(f"Ahead, by the scores of {ahead.n:,} customers alone: {known}. {ahead.caveat}")
        )
    if beside:
        month, rows = beside[-1]
        said = "; ".join(
            f"{row.metric} {row.estimated} → {row.realised.value:.3f}"
            + ("" if row.inside else " (outside)")
            for row in rows
        )
        parts.append(Text(f"What the scores had said of {month}, and what came true: {said}."))
    return parts


def _features(drift: DriftLike) -> list[RenderableType]:
    """The features, those with the strongest evidence of drift first."""
    ordered = sorted(drift.features, key=lambda one: (one.alarm is None, one.p_value))
    n = sum(one.alarm is not None for one in ordered)
    state = f"{n:,} have drifted" if n else "no proven drift"
    if not n and drift.alarm is not None:
        state = "some have drifted, and none can be named yet"
    view = Table(box=None, pad_edge=False, header_style="bold")
    view.add_column("feature")
    for title in ("PSI", "KS", "JS", "p"):
        view.add_column(title, justify="right")
    view.add_column("moved most")
    view.add_column("")
    for one in ordered[:_MOST_FEATURES]:
        far = one.overall
        view.add_row(
            escape_text(one.name),
            _band(far.psi, 2),
            "–" if far.ks is None else _band(far.ks, 2),
            _band(far.js, 3),
            f"{one.p_value:.2g}",
            escape_text(f"'{one.moved.bin}' {one.moved.before:.1%} → {one.moved.now:.1%}"),
            "drifted" if one.alarm is not None else "",
        )
    more = len(ordered) - _MOST_FEATURES
    return [
        Text(
            f"Features of {drift.n_rows:,} customers: {state} (all of them together raise a false "
            f"alarm, ever, with a probability of at most {drift.alpha:.1%})."
        ),
        view,
        *([Text(f"and {more:,} more features (--json has them)", style="dim")] if more > 0 else []),
    ]


def _band(band: BandLike, digits: int) -> str:
    return f"{band.value:.{digits}f} [{band.low:.{digits}f}, {band.high:.{digits}f}]"


def _months(quality: Sequence[QualityLike], currency: str) -> Table:
    view = Table(box=None, pad_edge=False, header_style="bold")
    view.add_column("month")
    view.add_column("n", justify="right")
    for title in ("rate", *(title for _, title in _COLUMNS), f"profit ({escape_text(currency)})"):
        view.add_column(title, justify="right")
    for row in quality:
        cells = [_shown(row.metrics.get(key)) for key, _ in _COLUMNS]
        view.add_row(
            row.month or "all",
            f"{row.n:,}",
            _shown(row.rate),
            *cells,
            _shown(row.metrics.get("profit"), 2),
            style="bold" if row.month is None else "",
        )
    return view


def _shown(estimate: Estimate | None, digits: int = 3) -> str:
    if estimate is None:
        return "–"
    half = (estimate.high - estimate.low) / 2
    return f"{estimate.value:.{digits}f} ±{half:.{digits}f}"


def quality_over_time(versions: Sequence[tuple[str, Sequence[QualityLike]]]) -> Draw:
    """AUC by month with its interval, one line per version."""

    def draw(axes: Axes) -> None:
        months = sorted({q.month for _, rows in versions for q in rows if q.month is not None})
        colours = (MAIN, ACCENT, MUTED)
        drawn = False
        for place, (name, rows) in enumerate(versions):
            known = [q for q in rows if q.month is not None and "roc_auc" in q.metrics]
            if not known:
                continue
            drawn = True
            auc = [q.metrics["roc_auc"] for q in known]
            shift = (place - (len(versions) - 1) / 2) * 0.08
            axes.errorbar(
                [months.index(q.month or "") + shift for q in known],
                [one.value for one in auc],
                yerr=[
                    [max(one.value - one.low, 0) for one in auc],
                    [max(one.high - one.value, 0) for one in auc],
                ],
                color=colours[place % len(colours)],
                marker=_MARKERS[place % len(_MARKERS)],
                capsize=3,
                label=name,
            )
        axes.set_xticks(range(len(months)), months, rotation=30, ha="right")
        axes.set(title="How good were the scores?", ylabel="AUC (with 95 % interval)")
        if drawn:
            axes.legend(loc="best")
        else:
            axes.text(0.5, 0.5, "nothing has matured", transform=axes.transAxes, ha="center")

    return draw
