"""churnkit features: suggest, list, build, show, export, as a person uses them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from churnkit.cli.main import run
from churnkit.errors import FeaturesExist, UnknownCustomer
from churnkit.features.toml import read_features
from churnkit.project import Project, open_project
from churnkit.usecases.features.building import build_features
from churnkit.usecases.features.exporting import export_features
from churnkit.usecases.features.feature_set import list_features, suggest_features
from churnkit.usecases.features.showing import show_features
from churnkit.usecases.projects.create_events import create_event_project
from churnkit.usecases.projects.log_settings import LogOptions
from tests.copies import copy_project

LOG = """customer,time,kind,amount,channel
ann,2024-01-05 10:00,buy,12.50,web
ann,2024-02-05 10:00,buy,7.50,app
ann,2024-02-20 09:00,login,,web
ann,2024-03-01 00:00,buy,100.00,web
ann,2024-03-01 00:01,buy,999.00,web
bob,2024-02-28 23:59,buy,3.00,web
bob,2024-05-28 23:59,login,,web
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    (folder / "log.csv").write_text(LOG, encoding="utf-8")
    options = LogOptions(
        customer_id="customer", time="time", type="kind", values=("amount",),
        categories=("channel",), zone="Europe/Berlin",
    )  # fmt: skip
    create_event_project(folder / "project", [str(folder / "log.csv")], options)
    return folder / "project"


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Any:
    copy_project(made, tmp_path / "p")
    with open_project(tmp_path / "p") as project:
        yield project


def test_suggest_is_the_same_every_time_and_replaces_nothing(project: Project) -> None:
    first = suggest_features(project)
    path = project.folder / "features.toml"
    assert read_features(path) == first.features
    text = path.read_bytes()
    with pytest.raises(FeaturesExist):
        suggest_features(project)
    assert suggest_features(project, force=True).features == first.features
    assert path.read_bytes() == text
    names = {feature.name for feature in first.features.features}
    assert {"recency_days", "events_ever", "amount_sum_ever", "buy_recency_days"} <= names
    assert 20 <= len(names) <= 40
    assert list_features(project).features == first.features


def test_build_gives_every_customer_at_every_date(project: Project, tmp_path: Path) -> None:
    suggest_features(project)
    built = build_features(project, ["2024-03-01", "2024-02-01", "2024-03-01"])
    assert built.table is not None
    rows = {(str(r["as_of"].date()), r["customer_id"]): r for r in built.table.to_pylist()}
    assert len(rows) == built.n_rows == 4
    ann = rows["2024-02-29", "ann"]  # midnight in Berlin is 23:00 UTC of the day before
    assert (ann["events_ever"], ann["amount_sum_ever"]) == (4, 120.0)
    assert rows["2024-01-31", "bob"]["events_ever"] == 0
    output = tmp_path / "f.parquet"
    written = build_features(
        project, ["2024-03-01"], output, customers=["zoe", "ann"], memory_bytes=200_000_000
    )
    assert written.unknown == 1
    assert sorted(parquet.read_table(output)["customer_id"].to_pylist()) == ["ann", "zoe"]
    assert parquet.read_schema(output).field("as_of").type == pa.timestamp("us", tz="UTC")
    left = sorted(path.name for path in (project.folder / "store").iterdir())
    assert "churnkit.duckdb" in left
    assert not [name for name in left if name.startswith(".features")]


def test_show_explains_a_value_down_to_its_events(project: Project) -> None:
    suggest_features(project)
    shown = show_features(project, "ann", "2024-03-01", names=["buy_recency_days", "events_ever"])
    recency, ever = shown.origins
    assert [(group.what, group.n) for group in recency.groups] == [
        ("counted", 3), ("after as_of", 1), ("another type", 1),
    ]  # fmt: skip
    assert (recency.value, ever.value) == (0, 4)
    assert [fact.shown for fact in ever.groups[1].facts] == ["buy, amount 999, channel web"]
    text = str(shown)
    assert "2024-03-01 00:01  buy, amount 999" in text
    assert "counted: 4" in text
    with pytest.raises(UnknownCustomer):
        show_features(project, "Ann", "2024-03-01")


def test_every_shown_count_is_the_value(project: Project) -> None:
    """What is explained is what was computed."""
    suggest_features(project)
    for customer in ("ann", "bob"):
        for date in ("2024-01-01", "2024-03-01", "2024-06-01"):
            for origin in show_features(project, customer, date).origins:
                if getattr(origin.feature, "aggregate", "") == "count":
                    counted = sum(g.n for g in origin.groups if g.what == "counted")
                    assert counted == origin.value, (customer, date, origin.feature.name)


def test_export_holds_all_that_spark_needs(project: Project, tmp_path: Path) -> None:
    suggest_features(project)
    export_features(project, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "attributes.parquet", "customer_numbers.parquet", "events.parquet", "features.toml",
        "log_schema.json", "subscriptions.parquet",
    ]  # fmt: skip
    events = parquet.read_table(tmp_path / "out" / "events.parquet")
    assert events.schema.field("event_type").type == pa.string()
    assert events.num_rows == 7


def cli(
    folder: Path, *words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["churnkit", "-C", str(folder), *words])
    try:
        run()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    found = capsys.readouterr()
    return code, found.out, found.err


def test_the_commands(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def call(*words: str) -> tuple[int, str, str]:
        return cli(project.folder, *words, capsys=capsys, monkeypatch=monkeypatch)

    code, _, err = call("features", "list")
    assert code == 2
    assert "suggest" in err
    code, out, _ = call("features", "suggest", "--json")
    assert code == 0
    assert len(json.loads(out)["features"]) >= 20
    output = tmp_path / "f.csv"
    code, out, err = call("features", "build", "--as-of", "2024-03-01", "-o", str(output))
    assert (code, output.exists()) == (0, True), err
    assert "2 rows" in out
    code, _, err = call("features", "build", "--as-of", "2024-03-01T00:00", "-o", str(output))
    assert code == 2
    assert "any zone" in err
    code, _, err = call("features", "build", "--as-of", "2024-03-01", "--memory", "2 apples")
    assert code == 2
    assert "--memory" in err
    code, out, _ = call("features", "show", "ann", "--as-of", "2024-03-01", "--facts", "1")
    assert code == 0
    assert "more" in out
    code, _, err = call("features", "suggest")
    assert code == 2
    assert "--force" in err
