"""Drift of those who are scored now from those whom the model learnt from.

Two streams follow each model version: of all predictions the score, and of predictions of the
service, as many as ``service.drift_rows`` allows, every feature. Each spends half of 5 % on false
alarms, in each period of ``service.drift_days``. The state is in the ledger, so that one replica
continues another's.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from churnkit.errors import BadValue, BaselineChanged, ChurnkitError
from churnkit.ledger import drift as ledger
from churnkit.ledger.refreshing import Refresh
from churnkit.monitoring.baseline import SCORE, Baseline, baseline_of
from churnkit.monitoring.counting import Counts
from churnkit.monitoring.drift import DriftTest
from churnkit.monitoring.drift_report import DriftReport
from churnkit.monitoring.drift_state import DriftState
from churnkit.project import Project
from churnkit.registry.bundle import read_bundle
from churnkit.usecases.models.bundles import find_bundle
from churnkit.usecases.models.serving import find_version

ALPHA = 0.025
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WAITS = timedelta(minutes=10)
"""So long a noted row may wait for its prediction."""
_WIDTH = np.dtype("<u2")


@dataclass(frozen=True)
class Drift:
    """What a drift test says of one stream."""

    model_version: str
    kind: str
    began_at: datetime
    updated_at: datetime
    report: DriftReport


def take_drift(project: Project, refresh: Refresh, versions: Sequence[str], now: datetime) -> None:
    """Count new customers, and look at them.

    Parameters
    ----------
    versions : that made new predictions
    """
    if refresh.rows.first or refresh.rows.again:
        return  # what is old already says nothing of now
    for version in versions:
        test = _test(project, version, "score", now)
        if test is not None:
            edges = test.baseline.features[0].edges
            found = ledger.count_scores(
                refresh, version, _name(project, version, "score", now), edges
            )
            if any(found):
                _look(project, refresh, version, "score", _scores(found), test, now)
    for version in ledger.noted_versions(refresh):
        test = _test(project, version, "features", now)
        stream = _name(project, version, "features", now)
        rows = ledger.take_rows(refresh, version, stream)
        if test is not None and (counts := _counts(test.baseline, rows)) is not None:
            _look(project, refresh, version, "features", counts, test, now)
    ledger.forget_rows(refresh, now - _WAITS)


def _look(
    project: Project,
    refresh: Refresh,
    version: str,
    kind: str,
    counts: Counts,
    test: DriftTest,
    now: datetime,
) -> None:
    name = _name(project, version, kind, now)
    known = ledger.read_stream(refresh, name)
    began = now if known is None else known.began_at
    try:
        state = test.begin(now) if known is None else DriftState.model_validate_json(known.state)
        state = test.look(state, counts, at=now)
    except BaselineChanged:
        # A version's bundle never changes; a ledger from elsewhere may hold another's state.
        began = now
        state = test.look(test.begin(now), counts, at=now)
    ledger.write_stream(
        refresh, ledger.Stream(name, version, kind, began, now, state.model_dump_json())
    )


def drift_reports(
    project: Project, *, model_version: str | None = None, since: datetime, most: int = 20
) -> tuple[Drift, ...]:
    """What the tests say of the streams that were fed since a moment, the newest first."""
    found: list[Drift] = []
    streams = ledger.streams(
        project.ledger.engine, model_version=model_version, since=since, most=most
    )
    for stream in streams:
        test = _test_of(project, stream.model_version, stream.kind, stream.stream)
        if test is None:
            continue
        try:
            report = test.report(DriftState.model_validate_json(stream.state))
        except BaselineChanged:
            continue
        found.append(
            Drift(stream.model_version, stream.kind, stream.began_at, stream.updated_at, report)
        )
    return tuple(found)


# --- rows of the service -----------------------------------------------------------------------


def note_features(
    project: Project,
    version: str,
    prediction_ids: Sequence[str],
    rows: Sequence[Mapping[str, object]],
    probabilities: Sequence[float],
    now: datetime,
) -> int:
    """Note into which bins the features of scored rows fall; gives how many were noted.

    The values themselves are not kept.
    """
    baseline = _baseline(project, version)
    if baseline is None:
        return 0
    places = np.empty((len(rows), len(baseline.features)), dtype=_WIDTH)
    for i, feature in enumerate(baseline.features):
        values: Sequence[object] = (
            probabilities if feature.name == SCORE else [row.get(feature.name) for row in rows]
        )
        try:
            places[:, i] = feature.places(values)
        except BadValue:
            return 0
    noted = [(name, bins.tobytes()) for name, bins in zip(prediction_ids, places, strict=True)]
    ledger.note_rows(project.ledger.engine, version, noted, now)
    return len(noted)


def _counts(baseline: Baseline, rows: Sequence[bytes]) -> Counts | None:
    width = len(baseline.features) * _WIDTH.itemsize
    fitting = [row for row in rows if len(row) == width]
    if not fitting:
        return None
    places = np.frombuffer(b"".join(fitting), dtype=_WIDTH).reshape(len(fitting), -1)
    bins: list[tuple[int, ...]] = []
    for i, feature in enumerate(baseline.features):
        counted = np.bincount(places[:, i].astype(np.int64), minlength=len(feature.counts))
        if len(counted) > len(feature.counts):  # noted against another baseline
            return None
        bins.append(tuple(counted.tolist()))
    return Counts(n_rows=len(fitting), bins=tuple(bins))


def _scores(counts: Sequence[int]) -> Counts:
    return Counts(n_rows=sum(counts), bins=((0, *counts),))  # no score is missing


# --- tests --------------------------------------------------------------------------------------


def _name(project: Project, version: str, kind: str, now: datetime) -> str:
    """The stream of this period."""
    days = project.settings.service.drift_days
    begin = _EPOCH + timedelta(days=(now - _EPOCH).days // days * days)
    return f"{version}/{kind}/{begin:%Y-%m-%d}/{days}"


def _test(project: Project, version: str, kind: str, now: datetime) -> DriftTest | None:
    return _test_of(project, version, kind, _name(project, version, kind, now))


def _test_of(project: Project, version: str, kind: str, stream: str) -> DriftTest | None:
    """The test of a stream; None where the version's bundle cannot be read."""
    baseline = score_baseline(project, version) if kind == "score" else _baseline(project, version)
    if baseline is None:
        return None
    return _made(baseline.model_dump_json(), zlib.crc32(stream.encode()))


def score_baseline(project: Project, version: str) -> Baseline | None:
    """What a version said of the customers it was tested on; None: that cannot be read."""
    baseline = _baseline(project, version)
    if baseline is None:
        return None
    score = next(f for f in baseline.features if f.name == SCORE)
    return Baseline(features=(score,), exact=baseline.exact) if score.edges else None


@lru_cache(maxsize=32)
def _made(baseline: str, seed: int) -> DriftTest:
    return DriftTest(Baseline.model_validate_json(baseline), seed=seed, alpha=ALPHA)


def _baseline(project: Project, version: str) -> Baseline | None:
    try:
        known = find_version(project, version)
        return _read(find_bundle(project, known), known.bundle_hash)
    except ChurnkitError:
        return None


@lru_cache(maxsize=16)
def _read(folder: Path, manifest_hash: str) -> Baseline:
    # The hash names the content, so that what was read once need not be read again.
    reference: Mapping[str, Any] = read_bundle(folder, manifest_hash=manifest_hash).reference
    return baseline_of(reference)
