"""Reports and tables say all there is, to whoever reads them, whatever is in the data."""

from __future__ import annotations

import io
import os
import re
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from churnkit import errors
from churnkit.data.importing import import_table
from churnkit.data.profile import profile_table
from churnkit.data.reading import read_arrow
from churnkit.data.simulate import snapshot
from churnkit.domain.models import Check, ModelVersion
from churnkit.domain.predictions import Explanation, PredictionRow, Reason
from churnkit.domain.profiles import LeakFinding, RoleGuess, TableProfile
from churnkit.domain.runs import RunRecord, Trial
from churnkit.files import write_whole
from churnkit.reporting import figures, tables
from churnkit.reporting.html import render_report
from churnkit.settings.money import Money
from churnkit.training.evaluate import evaluate
from churnkit.usecases.tables import TableSource
from tests.models import COLUMNS, fitted

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script>[red]&'


@cache
def _record() -> RunRecord:
    model = fitted("gradient_boosting")
    p = model.pipeline.predict_proba(model.frame)[:, 1]
    segments = pa.table({HOSTILE: ["a", "b"] * (len(p) // 2) + ["a"] * (len(p) % 2)})
    evaluation = evaluate(
        model.left,
        p,
        groups=np.arange(len(p)),
        money=Money(),
        segments=segments,
        rounds=100,
    )
    trial = Trial(
        candidate="gradient_boosting", params={"a": 1.5}, log_loss=0.4, roc_auc=0.8, seconds=1
    )
    return RunRecord(
        run_id="run-1",
        created_at=NOW,
        data_fingerprint="ab" * 32,
        feature_hash="cd" * 32,
        settings={"money": Money().model_dump()},
        seed=0,
        split="random",
        n_train=900,
        n_test=300,
        trials=(trial,),
        chosen=0,
        model_schema=model.schema,
        calibration="sigmoid",
        evaluation=evaluation,
        importance={HOSTILE: evaluation.metrics["brier"], "$x^2$": evaluation.metrics["ece"]},
        predictions_hash="ef" * 32,
        versions={"python": "3.11"},
        used_columns=("tenure",),
        left_out={HOSTILE: HOSTILE},
    )


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> TableProfile:
    table = snapshot(300, seed=1).append_column(HOSTILE, pa.array([HOSTILE, "b"] * 150))
    database = tmp_path_factory.mktemp("d") / "c.duckdb"
    schema = import_table(TableSource(table), database)
    leak = LeakFinding(column=HOSTILE, kind="predicts", figure=0.99, evidence=HOSTILE, blocked=True)
    return profile_table(read_arrow(database), schema, COLUMNS, source=HOSTILE, leaks=[leak])


def _explanation() -> Explanation:
    reasons = (
        Reason(column=HOSTILE, value=HOSTILE, points=0.2),
        Reason(column="tenure", value=None, points=-0.1),
    )
    return Explanation(
        customer_id=HOSTILE,
        probability=0.4,
        risk_band="medium",
        model_version="v1",
        base_probability=0.3,
        base_rate=0.25,
        reasons=reasons,
    )


def _version() -> ModelVersion:
    return ModelVersion(
        version="v1",
        run_id="run-1",
        candidate="gradient_boosting",
        created_at=NOW,
        bundle_hash="ab" * 32,
        data_fingerprint="cd" * 32,
        metrics=_record().evaluation.metrics,
    )


def _html(profile: TableProfile) -> str:
    return render_report(
        project=HOSTILE,
        profile=profile,
        record=_record(),
        version=_version(),
        alias="champion",
        money=Money(),
        examples=[_explanation()],
        made_at=NOW,
        next_steps=[HOSTILE],
    )


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)
        self.scripts += tag == "script"
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.loads.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_whole_and_needs_nothing_else(profile: TableProfile) -> None:
    html = _html(profile)
    reader = _Reader()
    reader.feed(html)
    assert reader.open == []
    assert reader.loads == []
    assert reader.scripts == 0
    assert len(reader.ids) == len(set(reader.ids))
    assert "url(http" not in html


def test_every_figure_has_its_interval(profile: TableProfile) -> None:
    html = _html(profile)
    for name, estimate in _record().evaluation.metrics.items():
        form = ".2f" if name.startswith("profit") else ".3f"
        shown = f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"
        assert shown in html, name
    console = Console(file=io.StringIO(), width=100)
    console.print(tables.evaluation_table(_record().evaluation, Money()))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert text.count("[") >= len(_record().evaluation.metrics)


def _all_tables(profile: TableProfile) -> list[object]:
    record = _record()
    guess = RoleGuess(column=HOSTILE, role="target", ground=HOSTILE, positive=HOSTILE)
    row = PredictionRow(
        prediction_id="p",
        customer_id=HOSTILE,
        model_version="v1",
        probability=0.5,
        risk_band="low",
        made_at=NOW,
        reasons=_explanation().reasons,
    )
    return [
        tables.roles_table([guess]),
        tables.profile_table(profile),
        tables.leaks_table(profile.leaks),
        tables.evaluation_table(record.evaluation, Money()),
        tables.deciles_table(record.evaluation),
        tables.trials_table(record),
        tables.explanation_table(_explanation()),
        tables.versions_table([_version()], {"champion": "v1"}),
        tables.predictions_table([row]),
        tables.checks_table([Check(subject=HOSTILE, state="failed", detail=HOSTILE)]),
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_tables_fit_and_print_hostile_text_as_it_is(profile: TableProfile, width: int) -> None:
    for table in _all_tables(profile):
        console = Console(file=io.StringIO(), width=width, no_color=True)
        console.print(table)
        text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
        assert max(len(line) for line in text.splitlines()) <= width
        html = tables.html_table(table)  # type: ignore[arg-type]  # renderables
        assert "<script" not in html
    shown = Console(file=io.StringIO(), width=120)
    shown.print(tables.roles_table([RoleGuess(column=HOSTILE, role="id", ground="x")]))
    assert "[red]" in shown.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def test_figures_are_the_same_bytes_each_time() -> None:
    draw = figures.calibration(_record().evaluation)
    assert figures.svg(draw, "calibration") == figures.svg(draw, "calibration")
    assert figures.png(draw) == figures.png(draw)
    made = figures.all_figures(_record())
    assert set(made) == {
        "calibration.png",
        "roc.png",
        "precision_recall.png",
        "lift.png",
        "profit.png",
        "importance.png",
    }
    assert all(content.startswith(b"\x89PNG") for content in made.values())


def test_a_full_disk_keeps_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "reports" / "v1.html"
    write_whole(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(errors.DiskFull):
        write_whole(path, b"new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [found.name for found in path.parent.iterdir()] == ["v1.html"]


def test_numbers_in_plain_words(profile: TableProfile) -> None:
    html = re.sub(r"\s+", " ", _html(profile))
    assert "The riskiest tenth of customers holds" in html
    assert "churnkit train --repeat run-1" in html
    assert "was kept from the model" in html
