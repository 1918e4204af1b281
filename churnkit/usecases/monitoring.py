"""How good the models have been, what has drifted, and what their scores say of the future."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import RenderableType

from churnkit.data.zones import local_us
from churnkit.domain.evaluation import Estimate
from churnkit.domain.models import ModelVersion
from churnkit.domain.moments import from_us, to_us
from churnkit.domain.progress import Progress, Step, silent
from churnkit.errors import BundleError, NothingMatured, SettingsInvalid, storage_errors
from churnkit.ledger.monitoring import MonthlyFigure, store_months
from churnkit.ledger.scored_rows import ScoredRow, scored_rows
from churnkit.monitoring.alerts import (
    Alert,
    AlertRules,
    concept_drift_alerts,
    drift_alerts,
    label_free_alerts,
    quality_alerts,
)
from churnkit.monitoring.baseline import SCORE, Baseline, baseline_of
from churnkit.monitoring.counting import count_customers
from churnkit.monitoring.drift import DriftTest
from churnkit.monitoring.drift_report import DriftReport
from churnkit.monitoring.label_free import (
    Beside,
    LabelFree,
    beside_the_truth,
    estimate_without_labels,
)
from churnkit.monitoring.performance import Matured, Quality, matured_quality
from churnkit.project import Project
from churnkit.registry.bundle import read_bundle
from churnkit.reporting.figures import png, svg
from churnkit.reporting.monitor_view import monitor_view, quality_over_time
from churnkit.usecases.bundles import find_bundle
from churnkit.usecases.drifting import ALPHA, drift_reports
from churnkit.usecases.label_spans import label_spans
from churnkit.usecases.maturing import MaturedPairs, matured_pairs
from churnkit.usecases.notifying import Sent, send_alerts
from churnkit.usecases.refreshing import bring_up_to_date
from churnkit.usecases.result import Result

_PROMISED = ("roc_auc", "brier", "profit")
"""Figures that mean the same for the test of a training and for a month of customers. The
calibration error does not: it is larger by chance where there are fewer customers."""
_SEED = 0
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class VersionMonitor:
    """One model version: what came true by month, and what is known before that."""

    version: str
    n_scored: int
    quality: tuple[Quality, ...]
    drift: DriftReport | None
    """Of its scores, each customer counted once; None: too little, or its bundle is away."""
    features: DriftReport | None
    """Of every feature in this period, each customer counted once; None: none was noted."""
    ahead: LabelFree | None
    """Of the customers whose labels have not matured; blind to concept drift."""
    beside: tuple[tuple[str, tuple[Beside, ...]], ...]
    """By month: what the scores had said with the labels known then, and what came true."""


@dataclass(frozen=True, repr=False)
class Monitored(Result):
    """What ``monitor`` saw, and what it makes of it."""

    now: datetime
    currency: str
    counting: str
    versions: tuple[VersionMonitor, ...]
    n_waiting_days: int
    """Days that have matured and lack outcomes: they are left out."""
    alerts: tuple[Alert, ...]
    sent: Sent | None = None
    plot: Path | None = None

    def __rich__(self) -> RenderableType:
        return monitor_view(
            [
                (v.version, v.n_scored, v.quality, v.drift, v.features, v.ahead, v.beside)
                for v in self.versions
            ],
            currency=self.currency,
            counting=self.counting,
            n_waiting_days=self.n_waiting_days,
            alerts=[(a.severity, a.sentence, a.request) for a in self.alerts],
            told=self._told(),
        )

    def _told(self) -> tuple[str, ...]:
        lines: list[str] = []
        if self.sent is not None:
            lines.append(
                f"Sent {len(self.sent.sent)} alerts by {' and '.join(self.sent.channels)}."
                if self.sent.channels
                else f"No alert was sent: {len(self.sent.held)} were sent not long ago."
            )
            lines += [f"Not taken by {failure}" for failure in self.sent.failures]
        if self.plot is not None:
            lines.append(f"The figures by month are drawn in {self.plot}.")
        return tuple(lines)

    def to_json(self) -> dict[str, object]:
        return {
            "now": self.now.isoformat(),
            "counting": self.counting,
            "n_waiting_days": self.n_waiting_days,
            "versions": [
                {
                    "version": one.version,
                    "n_scored": one.n_scored,
                    "quality": [q.model_dump(mode="json") for q in one.quality],
                    "drift": one.drift and one.drift.model_dump(mode="json"),
                    "feature_drift": one.features and one.features.model_dump(mode="json"),
                    "label_free": one.ahead and one.ahead.model_dump(mode="json"),
                    "beside": {
                        month: [row.model_dump(mode="json") for row in rows]
                        for month, rows in one.beside
                    },
                }
                for one in self.versions
            ],
            "alerts": [alert.model_dump(mode="json") for alert in self.alerts],
            "sent": None
            if self.sent is None
            else {
                "alerts": [alert.key for alert in self.sent.sent],
                "held": [alert.key for alert in self.sent.held],
                "ended": list(self.sent.ended),
                "channels": list(self.sent.channels),
                "failures": list(self.sent.failures),
            },
            "plot": None if self.plot is None else str(self.plot),
        }


def monitor(
    project: Project,
    *,
    version: str | None = None,
    since: datetime | None = None,
    send: bool = False,
    plot: Path | str | None = None,
    rules: AlertRules | None = None,
    now: datetime | None = None,
    progress: Progress = silent,
) -> Monitored:
    """Judge the model versions by what came true, and say what should be looked at.

    The monthly figures are kept in the ledger.

    Parameters
    ----------
    version : only this one; None: all that scored customers
    since : only predictions that look from this moment on
    send : send the alerts that are due (``notifying.send_alerts``)
    plot : an .svg or .png file of the figures by month
    now : the present

    Raises
    ------
    NothingMatured : nobody was scored
    AlertNotSent : no channel took the alerts; the figures are kept all the same
    UnknownModelVersion : there is no such version
    """
    now, rules = now or datetime.now(UTC), rules or AlertRules()
    path = None if plot is None else Path(plot).expanduser()
    if path is not None and path.suffix.lower() not in (".svg", ".png"):
        raise SettingsInvalid(
            "the plot's file is neither .svg nor .png.", fix="Give it such a name.", file=path
        )
    if version is not None:
        project.ledger.model_version(version)
    progress(Step("joining predictions and outcomes"))
    pairs = matured_pairs(
        project, now=now, model_version=version, since=since, shadows=True, in_order=False
    )
    rows = sorted(
        scored_rows(project.ledger.engine, model_version=version, since=since, until=now),
        key=lambda row: (row.moment, row.customer_id, row.prediction_id),
    )
    if not rows:
        raise NothingMatured(
            "nobody was scored.", fix="'churnkit score … --record' and the service keep scores."
        )
    bring_up_to_date(project, now)
    counted = _evidence(pairs)
    months = _months(counted.us, project.settings.project.zone)
    known = {one.version: one for one in project.ledger.model_versions()}
    found: list[VersionMonitor] = []
    names = sorted({row.model_version for row in rows})
    for place, name in enumerate(names):
        progress(Step("judging the versions", place / len(names), name))
        mine = [row for row in rows if row.model_version == name]
        found.append(_judged(project, name, mine, counted, months, known.get(name), now))
    kept = [
        MonthlyFigure(q.version, q.month, figure, estimate, q.n)
        for one in found
        for q in one.quality
        if q.month is not None
        for figure, estimate in {**q.metrics, "rate": q.rate}.items()
    ]
    store_months(project.ledger.engine, kept, at=now)
    result = Monitored(
        now=now,
        currency=project.settings.money.currency,
        counting=pairs.counting,
        versions=tuple(found),
        n_waiting_days=sum(one.matured and not one.whole for one in pairs.cohorts),
        alerts=_alerts(found, known, rules),
    )
    if path is not None:
        draw = quality_over_time([(one.version, one.quality) for one in found])
        content = png(draw) if path.suffix.lower() == ".png" else svg(draw, "quality").encode()
        with storage_errors(path):
            temporary = path.with_name(path.name + ".new")
            temporary.write_bytes(content)
            temporary.replace(path)
        result = replace(result, plot=path)
    if send:
        result = replace(result, sent=send_alerts(project, result.alerts, now=now))
    return result


@dataclass(frozen=True, eq=False)
class _Evidence:
    """Matured predictions that say what becomes of untreated customers; shape (n,)."""

    version: npt.NDArray[np.object_]
    customer: npt.NDArray[np.object_]
    us: npt.NDArray[np.int64]
    matured_us: npt.NDArray[np.int64]
    p: Floats
    left: npt.NDArray[np.bool_]


def _evidence(pairs: MaturedPairs) -> _Evidence:
    """Rows that count once. Where outcomes are weighted by propensities, each row is kept with a
    probability in proportion to its weight (von Neumann 1951), the same ones each time."""
    weight = np.nan_to_num(pairs.weight)
    keep = weight > 0
    if keep.any() and weight[keep].min() < weight.max():
        keep &= np.random.default_rng(_SEED).random(len(weight)) * weight.max() < weight
    return _Evidence(
        version=pairs.model_version[keep],
        customer=pairs.customer_id[keep],
        us=pairs.as_of[keep].astype(np.int64),
        matured_us=pairs.matured_at[keep].astype(np.int64),
        p=pairs.probability[keep],
        left=pairs.churned[keep],
    )


def _judged(
    project: Project,
    name: str,
    rows: Sequence[ScoredRow],
    evidence: _Evidence,
    months: Sequence[str],
    version: ModelVersion | None,
    now: datetime,
) -> VersionMonitor:
    money = project.settings.money
    mine = evidence.version == name
    month = np.array(months, dtype=np.object_)[mine]
    quality: tuple[Quality, ...] = ()
    if mine.any():
        quality = matured_quality(
            Matured(
                version=[name] * int(mine.sum()),
                month=month.tolist(),
                customer=evidence.customer[mine].tolist(),
                p=evidence.p[mine],
                left=evidence.left[mine],
            ),
            money=money,
            seed=_SEED,
        )
    newest = _waiting(project, rows, now)
    ahead = (
        estimate_without_labels(
            newest,
            money=money,
            matured_p=evidence.p[mine],
            matured_left=evidence.left[mine],
            seed=_SEED,
        )
        if len(newest)
        else None
    )
    return VersionMonitor(
        version=name,
        n_scored=len(rows),
        quality=quality,
        drift=_drift(project, rows, version),
        features=_features(project, name, now),
        ahead=ahead,
        beside=_beside(project, quality, evidence, mine, month),
    )


def _beside(
    project: Project,
    quality: Sequence[Quality],
    evidence: _Evidence,
    mine: npt.NDArray[np.bool_],
    month: npt.NDArray[np.object_],
) -> tuple[tuple[str, tuple[Beside, ...]], ...]:
    """What the scores said of each month with the labels that had matured when it ended."""
    told: list[tuple[str, tuple[Beside, ...]]] = []
    us, matured_us = evidence.us[mine], evidence.matured_us[mine]
    p, left = evidence.p[mine], evidence.left[mine]
    for one in quality:
        if one.month is None or not one.metrics:
            continue
        rows = month == one.month
        before = matured_us <= us[rows].max()
        if not before.any():
            continue
        estimated = estimate_without_labels(
            p[rows],
            money=project.settings.money,
            matured_p=p[before],
            matured_left=left[before],
            seed=_SEED,
        )
        told.append((one.month, beside_the_truth(estimated, {**one.metrics, "rate": one.rate})))
    return tuple(told)


def _waiting(project: Project, rows: Sequence[ScoredRow], now: datetime) -> Floats:
    """The newest score of each customer whose label has not matured."""
    us = np.array([to_us(row.moment) for row in rows], dtype=np.int64)
    due = label_spans(project).windows(us).decided_us > to_us(now)
    newest = {row.customer_id: row.probability for row, late in zip(rows, due, strict=True) if late}
    return np.array(list(newest.values()), dtype=np.float64)


def _drift(
    project: Project, rows: Sequence[ScoredRow], version: ModelVersion | None
) -> DriftReport | None:
    """Drift of the scores: each customer's first one, looked at day by day."""
    if version is None:
        return None
    try:
        bundle = read_bundle(find_bundle(project, version), manifest_hash=version.bundle_hash)
        whole = baseline_of(bundle.reference)
    except BundleError:
        return None
    scores = tuple(feature for feature in whole.features if feature.name == SCORE)
    baseline = Baseline(features=scores, exact=whole.exact)
    test = DriftTest(baseline, seed=_SEED, alpha=ALPHA)
    state = test.begin()
    seen: set[str] = set()
    days: dict[int, list[float]] = {}
    for row in rows:
        if row.customer_id not in seen:
            seen.add(row.customer_id)
            days.setdefault(to_us(row.moment) // 86_400_000_000, []).append(row.probability)
    for day, found in sorted(days.items()):
        at = from_us((day + 1) * 86_400_000_000)
        state = test.look(state, count_customers(baseline, {}, found), at=at)
    return test.report(state)


def _features(project: Project, version: str, now: datetime) -> DriftReport | None:
    """Drift of the features that were noted in the newest period: by whoever scored."""
    since = now - timedelta(days=2 * project.settings.service.drift_days)
    found = drift_reports(project, model_version=version, since=since)
    return next((one.report for one in found if one.kind == "features"), None)


def _alerts(
    found: Sequence[VersionMonitor], known: Mapping[str, ModelVersion], rules: AlertRules
) -> tuple[Alert, ...]:
    alerts: list[Alert] = []
    for one in found:
        version = known.get(one.version)
        promised: dict[str, Estimate] = {}
        if version is not None:
            promised = {
                name: version.metrics[name] for name in _PROMISED if name in version.metrics
            }
        alerts += quality_alerts(one.quality, promised={one.version: promised}, rules=rules)
        if one.drift is not None:
            alerts += drift_alerts(one.drift, version=one.version, rules=rules)
        if one.features is not None:
            alerts += drift_alerts(one.features, version=one.version, rules=rules)
        if one.ahead is not None and one.ahead.n_matured:
            alerts += label_free_alerts(
                one.ahead, version=one.version, promised=promised, rules=rules
            )
        if one.beside:
            alerts += concept_drift_alerts(one.beside[-1][1], version=one.version, rules=rules)
    return tuple(alerts)


def _months(us: npt.NDArray[np.int64], zone: str) -> list[str]:
    days = local_us(us, zone).astype("datetime64[us]").astype("datetime64[M]")
    return [str(month) for month in days]
