"""How good the models have been, what has drifted, and what their scores say of the future."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from churnkit.domain.evaluation import Estimate
from churnkit.domain.models import ModelVersion
from churnkit.domain.progress import Progress, Step, silent
from churnkit.errors import NothingMatured, SettingsInvalid
from churnkit.files import write_whole
from churnkit.ledger.monitoring import MonthlyFigure, store_months
from churnkit.ledger.scored_rows import scored_rows
from churnkit.monitoring.alerts import (
    Alert,
    AlertRules,
    concept_drift_alerts,
    drift_alerts,
    label_free_alerts,
    quality_alerts,
)
from churnkit.project import Project
from churnkit.reporting.figures import png, svg
from churnkit.reporting.monitor_view import quality_over_time
from churnkit.usecases.monitoring.monitored import Monitored, VersionMonitor
from churnkit.usecases.monitoring.notifying import send_alerts
from churnkit.usecases.monitoring.refreshing import bring_up_to_date
from churnkit.usecases.monitoring.version_judging import evidence_of, judge_version
from churnkit.usecases.outcomes.maturing import matured_pairs

_PROMISED = ("roc_auc", "brier", "profit")
"""Figures that mean the same for the test of a training and for a month of customers. The
calibration error does not: it is larger by chance where there are fewer customers."""


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
    evidence = evidence_of(pairs, project.settings.project.zone)
    known = {one.version: one for one in project.ledger.model_versions()}
    found: list[VersionMonitor] = []
    names = sorted({row.model_version for row in rows})
    for place, name in enumerate(names):
        progress(Step("judging the versions", place / len(names), name))
        mine = [row for row in rows if row.model_version == name]
        found.append(judge_version(project, name, mine, evidence, known.get(name), now))
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
        write_whole(path, content)
        result = replace(result, plot=path)
    if send:
        result = replace(result, sent=send_alerts(project, result.alerts, now=now))
    return result


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
