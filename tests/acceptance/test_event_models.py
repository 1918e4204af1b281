"""From a log of purchases to a model, its scores as of a date, and the online state."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

import churnkit as ck
from churnkit.data.samples.locate import cdnow_path
from churnkit.errors import AsOfInvalid, BadValue, MomentTooOld, NoOnlineState, UnknownCustomer
from churnkit.settings.file import write_settings
from tests.acceptance.conftest import Answer
from tests.copies import copy_project
from tests.features.test_features_offline import assert_same

CUSTOMERS = 3_000
DATES = ("1997-06-01", "1997-07-01", "1998-01-01")
END = datetime(1998, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of the first customers of CDNOW, with a champion; no test changes it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    folder = shared / "cdnow"
    with FileLock(shared / "cdnow.lock"):
        if not (folder / "done").exists():
            lines = cdnow_path().read_text(encoding="utf-8").splitlines(keepends=True)
            head, rows = lines[0], lines[1:]
            some = [row for row in rows if int(row.split()[0]) <= CUSTOMERS]
            log = shared / "purchases.txt"
            log.write_text(head + "".join(some), encoding="utf-8", newline="")
            project = ck.create_event_project(folder, log, ck.LogOptions(horizon_days=180)).project
            with project:
                churn = project.settings.churn.model_copy(update={"as_of": DATES})
                training = project.settings.training.model_copy(
                    update={"candidates": ("logistic_regression",)}
                )
                project.settings = project.settings.model_copy(
                    update={"churn": churn, "training": training}
                )
                write_settings(folder, project.settings)
                ck.train(project, budget_seconds=5, seed=1)
            (folder / "done").touch()
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Iterator[ck.Project]:
    """A copy of it."""
    folder = tmp_path / "project"
    copy_project(made, folder)
    with ck.open_project(folder) as opened:
        yield opened


def test_it_is_judged_at_a_later_date_than_it_was_learnt_from(project: ck.Project) -> None:
    record = project.read_run(project.ledger.model_versions()[0].run_id)
    assert "learnt from 2 dates, 1997-06-01 … 1997-07-01, judged at 1998-01-01" in record.split
    assert (record.n_train, record.n_test) == (2 * CUSTOMERS, CUSTOMERS)
    assert record.test_from == datetime(1998, 1, 1, tzinfo=UTC)
    assert record.calibration == "sigmoid"
    dates = [one for one in record.evaluation.slices if one.column == "as_of"]
    assert [one.value for one in dates] == ["1998-01-01"]
    auc = record.evaluation.metrics["roc_auc"]
    assert auc.low < auc.value < auc.high
    assert auc.value > 0.77  # recency alone reaches 0.796 on all customers
    assert record.features is not None
    assert record.feature_hash == ck.list_features(project).features.content_hash()


def test_a_run_on_a_panel_repeats_bit_for_bit(project: ck.Project) -> None:
    run = project.ledger.model_versions()[0].run_id
    again = ck.repeat(project, run)
    assert again.identical
    assert not again.differences


def test_scores_are_those_of_the_features_as_of_the_moment(
    project: ck.Project, tmp_path: Path
) -> None:
    """The same rows, built by hand and scored as a file, have the same probabilities."""
    scored = ck.score(project, as_of="1998-03-01", reasons=0)
    assert scored.as_of == datetime(1998, 3, 1, tzinfo=UTC)
    built = tmp_path / "built.parquet"
    ck.build_features(project, "1998-03-01", built)
    by_file = ck.score(project, built, reasons=0)
    assert scored.table is not None
    assert by_file.table is not None
    order = [("customer_id", "ascending")]
    assert scored.table.sort_by(order).equals(by_file.table.sort_by(order))
    later = ck.score(project, reasons=0)
    assert later.as_of == END
    assert later.table is not None
    assert not later.table.sort_by(order).equals(scored.table.sort_by(order))


def test_scoring_does_not_see_what_came_after(project: ck.Project, tmp_path: Path) -> None:
    """The scores as of a moment are the same when the log ends there."""
    cut = tmp_path / "cut.txt"
    lines = cdnow_path().read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [
        row
        for row in lines[1:]
        if int(row.split()[0]) <= CUSTOMERS and row.split()[1] <= "19980301"
    ]
    cut.write_text(lines[0] + "".join(kept), encoding="utf-8", newline="")
    before = ck.score(project, as_of="1998-03-01", reasons=0).table
    ck.import_facts(project, cut, rebuild=True)
    after = ck.score(project, as_of="1998-03-01", reasons=0).table
    assert before is not None
    assert after is not None
    order = [("customer_id", "ascending")]
    assert before.sort_by(order).equals(after.sort_by(order))


def test_an_explanation_is_of_the_moment(project: ck.Project) -> None:
    early = ck.explain(project, "00001", as_of="1997-02-01").explanation
    late = ck.explain(project, "00001").explanation
    for one in (early, late):
        total = one.base_probability + sum(reason.points for reason in one.reasons)
        assert total == pytest.approx(one.probability, abs=1e-6)
    assert early.probability < late.probability  # silent for a year more
    with pytest.raises(UnknownCustomer, match="99999"):
        ck.explain(project, "99999")
    with pytest.raises(AsOfInvalid, match="no date"):
        ck.score(project, as_of="soon")


def test_the_panel_is_built_again_when_the_features_change(project: ck.Project) -> None:
    before = project.training_database.stat().st_mtime_ns
    ck.profile(project)
    assert project.training_database.stat().st_mtime_ns == before
    text = project.features_file.read_text(encoding="utf-8")
    extra = '\n[[feature]]\nname = "orders_9d"\naggregate = "count"\nwindow_days = 9\n'
    project.features_file.write_text(text + extra, encoding="utf-8")
    seen = ck.profile(project).profile
    assert "orders_9d" in [column.name for column in seen.columns]
    assert ck.score(project, reasons=0).n_rows == CUSTOMERS  # the model keeps its own features


def test_the_online_state_equals_the_log(project: ck.Project) -> None:
    with pytest.raises(NoOnlineState, match="no online state"):
        ck.online_features(project, ["00001"])
    built = ck.rebuild_online(project)
    assert built.n_customers == CUSTOMERS
    ids = [f"{number:05d}" for number in range(1, 200)]
    offline = ck.build_features(project, "1998-06-30", customers=ids).table
    assert offline is not None
    wanted = {row.pop("customer_id"): row for row in offline.drop(["as_of"]).to_pylist()}
    for found in ck.online_features(project, ids, as_of=END):
        assert_same(found.values, wanted[found.customer_id])
    with pytest.raises(MomentTooOld):
        ck.online_features(project, ids, as_of=END - timedelta(days=30))


def test_events_are_taken_in_once(project: ck.Project, tmp_path: Path) -> None:
    ck.rebuild_online(project)
    now = END + timedelta(days=2)
    events = [
        {"customer_id": "00001", "event_time": "1998-07-01", "dollar_value": 19.99,
         "number_of_cds": 2},
        {"customer_id": "new", "event_time": "1998-07-01T10:00:00+02:00", "dollar_value": "5.00"},
    ]  # fmt: skip
    first = ck.receive_events(project, [*events, events[0]], now=now)
    assert (first.new, first.duplicate) == (2, 1)
    again = ck.receive_events(project, events, now=now)
    assert (again.new, again.duplicate) == (0, 2)
    one, new = ck.online_features(project, ["00001", "new"], as_of=now)
    assert (one.values["recency_days"], new.values["recency_days"]) == (1, 1)
    assert new.values["dollar_value_sum_ever"] == 5.0
    late = ck.receive_events(
        project, [{"customer_id": "00002", "event_time": "1998-06-01"}], now=now
    )
    assert (late.new, late.too_late) == (0, ("00002",))
    with pytest.raises(BadValue, match="more than 2 decimals") as refused:
        ck.receive_events(project, [events[0], {**events[1], "dollar_value": 1.234}], now=now)
    assert (refused.value.where["item"], refused.value.where["field"]) == (1, "dollar_value")


def test_the_command_line_of_events(
    project: ck.Project, tmp_path: Path, cli: Callable[..., Answer]
) -> None:
    home, out = project.folder, tmp_path / "scores.parquet"
    assert cli("-C", home, "score", "-o", out, "--as-of", "1998-02-01").code == 0
    scores = pq.read_table(out)
    assert scores.num_rows == CUSTOMERS
    assert 0 < pc.min(scores["probability"]).as_py() < pc.max(scores["probability"]).as_py() < 1
    assert cli("-C", home, "online", "rebuild").code == 0
    file = tmp_path / "events.jsonl"
    today = datetime.now(UTC).isoformat()
    file.write_text(json.dumps({"customer_id": "00001", "event_time": today}) + "\n")
    taken = cli("-C", home, "online", "receive", file, "--json")
    told = json.loads(taken.out)
    assert (told["new"], told["duplicate"], told["too_late"], told["rejected"]) == (1, 0, [], [])
    shown = json.loads(cli("-C", home, "online", "show", "00001", "--json").out)
    assert shown["values"]["recency_days"] == 0
    file.write_text("{broken\n")
    broken = cli("-C", home, "online", "receive", file)
    assert broken.code == 2
    assert "row 1" in broken.err
