"""Judge one model version: what came true of its scores, what drifts, what they say ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from churnkit.data.zones import local_us
from churnkit.domain.models import ModelVersion
from churnkit.domain.moments import from_us, to_us
from churnkit.errors import BundleError
from churnkit.ledger.scored_rows import ScoredRow
from churnkit.monitoring.baseline import SCORE, Baseline, baseline_of
from churnkit.monitoring.counting import count_customers
from churnkit.monitoring.drift import DriftTest
from churnkit.monitoring.drift_report import DriftReport
from churnkit.monitoring.label_free import Beside, beside_the_truth, estimate_without_labels
from churnkit.monitoring.performance import Matured, Quality, matured_quality
from churnkit.project import Project
from churnkit.registry.bundle import read_bundle
from churnkit.usecases.models.bundles import find_bundle
from churnkit.usecases.monitoring.drifting import ALPHA, drift_reports
from churnkit.usecases.monitoring.monitored import VersionMonitor
from churnkit.usecases.outcomes.label_spans import label_spans
from churnkit.usecases.outcomes.maturing import MaturedPairs

_SEED = 0
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Matured predictions that say what becomes of untreated customers; shape (n,)."""

    version: npt.NDArray[np.object_]
    customer: npt.NDArray[np.object_]
    us: npt.NDArray[np.int64]
    month: npt.NDArray[np.object_]
    """Of ``us`` on the wall clock of the project's zone, such as '2025-03'."""
    matured_us: npt.NDArray[np.int64]
    p: Floats
    left: npt.NDArray[np.bool_]


def evidence_of(pairs: MaturedPairs, zone: str) -> Evidence:
    """Rows that count once. Where outcomes are weighted by propensities, each row is kept with a
    probability in proportion to its weight (von Neumann 1951), the same ones each time."""
    weight = np.nan_to_num(pairs.weight)
    keep = weight > 0
    if keep.any() and weight[keep].min() < weight.max():
        keep &= np.random.default_rng(_SEED).random(len(weight)) * weight.max() < weight
    us = pairs.as_of[keep].astype(np.int64)
    return Evidence(
        version=pairs.model_version[keep],
        customer=pairs.customer_id[keep],
        us=us,
        month=_months(us, zone),
        matured_us=pairs.matured_at[keep].astype(np.int64),
        p=pairs.probability[keep],
        left=pairs.churned[keep],
    )


def judge_version(
    project: Project,
    name: str,
    rows: Sequence[ScoredRow],
    evidence: Evidence,
    version: ModelVersion | None,
    now: datetime,
) -> VersionMonitor:
    """What is known of a version at this moment.

    Parameters
    ----------
    rows : its recorded scores, the oldest first
    version : None: the ledger does not know it, so that its scores' drift cannot be tested
    """
    money = project.settings.money
    mine = evidence.version == name
    month = evidence.month[mine]
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
    evidence: Evidence,
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


def _months(us: npt.NDArray[np.int64], zone: str) -> npt.NDArray[np.object_]:
    days = local_us(us, zone).astype("datetime64[us]").astype("datetime64[M]")
    return np.array([str(month) for month in days], dtype=np.object_)
