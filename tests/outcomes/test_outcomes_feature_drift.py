"""``monitor`` shows drift of every feature of those who were scored, and of the score."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

import churnkit as ck
from churnkit.data.samples.locate import telco_path
from churnkit.project import Project
from churnkit.usecases.monitoring.monitored import VersionMonitor
from churnkit.usecases.monitoring.verbs import monitor
from tests.copies import copy_project
from tests.live import ROWS

NOW = datetime(2031, 3, 2, tzinfo=UTC)


@pytest.fixture
def project(served_folder: Path, tmp_path: Path) -> Iterator[Project]:
    copy_project(served_folder, tmp_path / "project")
    with ck.open_project(tmp_path / "project") as opened:
        yield opened


def _customers(start: int, n: int, **changes: float) -> pa.Table:
    """Customers whom no model has seen; some of their numbers grown."""
    with telco_path().open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[ROWS + start : ROWS + start + n]
    for row in rows:
        del row["Churn"]
        for name, more in changes.items():
            row[name] = f"{float(row[name]) + more:.2f}"
    return pa.Table.from_pylist(rows)


def _seen(project: Project, now: datetime) -> VersionMonitor:
    return next(one for one in monitor(project, now=now).versions if one.version == "v1")


def test_the_feature_that_drifted_is_named_and_no_other(project: Project) -> None:
    for day in range(3):  # the same customers each day: each counts once
        ck.score(project, _customers(0, 800), record=True, reasons=0, now=NOW + timedelta(days=day))
    calm = _seen(project, NOW + timedelta(days=3))
    assert calm.features is not None and calm.features.n_rows == 800
    assert calm.features.alarm is None
    assert len(calm.features.features) == 20  # nineteen inputs, and the score
    ck.score(
        project, _customers(800, 800, MonthlyCharges=25.0), record=True, reasons=0,
        now=NOW + timedelta(days=4),
    )  # fmt: skip
    shown = monitor(project, now=NOW + timedelta(days=5))
    moved = next(one for one in shown.versions if one.version == "v1").features
    assert moved is not None and moved.alarm is not None and moved.n_rows == 1_600
    named = {one.name for one in moved.features if one.alarm is not None}
    assert "MonthlyCharges" in named and named <= {"MonthlyCharges", "(score)"}
    assert any("MonthlyCharges" in alert.what for alert in shown.alerts)
    text = str(shown)
    assert "Features of 1,600 customers" in text and "2.5%" in text
    (told,) = (one for one in shown.to_json()["versions"] if one["version"] == "v1")  # type: ignore[attr-defined]
    feature = next(f for f in told["feature_drift"]["features"] if f["name"] == "MonthlyCharges")
    for distance in ("psi", "ks", "js"):
        band = feature["overall"][distance]
        assert 0 <= band["low"] <= band["value"] <= band["high"]


def test_a_large_table_is_noted_by_a_sample_that_does_not_depend_on_its_order(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("churnkit.usecases.monitoring.feature_notes.MOST", 300)
    monkeypatch.setattr(
        "churnkit.usecases.monitoring.feature_notes.FeatureNotes.__init__.__defaults__", (300,)
    )
    table = _customers(0, 2_000).sort_by("MonthlyCharges")
    ck.score(project, table, record=True, reasons=0, now=NOW)
    seen = _seen(project, NOW + timedelta(days=1)).features
    assert seen is not None and seen.n_rows == 300
    assert seen.alarm is None  # the cheapest 300 would be far away
