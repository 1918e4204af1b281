"""Definitions that an editor writes, a customer's timeline, and a list of contacts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from operator import itemgetter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import churnkit as ck
from churnkit.errors import (
    ColumnMissing,
    DataEmpty,
    DataUnreadable,
    FeatureError,
    ProjectBusy,
    UnknownCustomer,
)
from churnkit.project import Project
from churnkit.usecases.features.editing import check_definitions
from churnkit.usecases.features.timelines import log_customers
from tests.copies import copy_project


@pytest.fixture
def project(online_folder: Path, tmp_path: Path) -> Iterator[Project]:
    """A project of events that a test may change."""
    copy_project(online_folder, tmp_path / "events")
    with ck.open_project(tmp_path / "events") as opened:
        yield opened


COUNT = {"kind": "event", "name": "n", "aggregate": "count", "window_days": 30}


def test_definitions_are_written_whole_or_not_at_all(project: Project) -> None:
    before = project.features_file.read_bytes()
    with pytest.raises(FeatureError, match="no_such"):
        ck.set_features(project, [{**COUNT, "aggregate": "sum", "column": "no_such"}])
    assert project.features_file.read_bytes() == before
    written = ck.set_features(project, [COUNT])
    assert ck.list_features(project).features == written.features
    assert check_definitions(project, [COUNT]).features == written.features


def test_somebody_else_is_not_overwritten_and_the_same_again_is_no_change(
    project: Project,
) -> None:
    seen = ck.list_features(project).features.content_hash()
    ck.set_features(project, [COUNT], expected_hash=seen)
    with pytest.raises(FeatureError, match="meanwhile"):
        ck.set_features(project, [{**COUNT, "window_days": 7}], expected_hash=seen)
    ck.set_features(project, [COUNT], expected_hash=seen)
    assert ck.list_features(project).features.features[0].window_days == 30  # type: ignore[union-attr]


def test_who_writes_waits_for_nobody_and_is_told_who_does(project: Project) -> None:
    with (
        project.lease("another window"),
        ck.open_project(project.folder) as other,
        pytest.raises(ProjectBusy),
    ):
        ck.set_features(other, [COUNT])


def test_a_timeline_holds_every_event_of_the_customer_in_order(project: Project) -> None:
    (name, n), *_ = log_customers(project)
    told = ck.customer_timeline(project, name)
    events = [fact for fact in told.facts if fact.table == "event"]
    assert len(events) == told.n_events == n
    moments = [fact.t_us for fact in told.facts]
    assert moments == sorted(moments)
    newest = ck.customer_timeline(project, name, at_most=3)
    assert [f.t_us for f in newest.facts if f.table == "event"] == [f.t_us for f in events[-3:]]
    assert "dollar_value" in events[0].shown or "value" in events[0].shown
    with pytest.raises(UnknownCustomer):
        ck.customer_timeline(project, "nobody at all")


def test_values_of_definitions_that_are_not_saved(project: Project) -> None:
    (name, _), *_ = log_customers(project)
    last = ck.customer_timeline(project, name).log_ends
    assert last is not None
    shown = ck.show_features(project, name, last + timedelta(days=1), definitions=[COUNT])
    assert [origin.feature.name for origin in shown.origins] == ["n"]
    assert "n" not in {f.name for f in ck.list_features(project).features.features}


def test_a_list_of_contacts_is_the_top_of_the_scores(served_folder: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.parquet"
    with ck.open_project(served_folder) as project:
        ck.score(project, output=scores)
        made = ck.contact_list(project, tmp_path / "top.parquet", customers=20, scores=scores)
        everyone = pq.read_table(scores).to_pylist()
        top = pq.read_table(made.output).to_pylist()
        best = sorted(everyone, key=lambda row: (-row["probability"], row["customer_id"]))[:20]
        assert top == best and made.least_probability == best[-1]["probability"]
        few = ck.contact_list(
            project, tmp_path / "few.parquet", customers=None, scores=scores, bands=("low",),
            low=0.05, high=0.2, search="-a", sort="customer_id", descending=False,
        )  # fmt: skip
        found = [
            row
            for row in everyone
            if row["risk_band"] == "low"
            and 0.05 <= row["probability"] <= 0.2
            and "-a" in row["customer_id"].lower()
        ]
        assert pq.read_table(few.output).to_pylist() == sorted(found, key=itemgetter("customer_id"))
        assert few.n == len(found) > 0
        with pytest.raises(ColumnMissing, match='"; drop'):
            ck.contact_list(project, tmp_path / "x.csv", customers=1, scores=scores, sort='"; drop')
        with pytest.raises(DataUnreadable):
            ck.contact_list(
                project, tmp_path / "x.csv", customers=1, scores=tmp_path / "no.parquet"
            )
        with pytest.raises(DataEmpty):
            ck.contact_list(project, tmp_path / "x.csv", customers=0, scores=scores)
