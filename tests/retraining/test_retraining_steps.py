"""A new model made by itself: when it is due, its steps, and what a crash between them costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import churnkit as ck
from churnkit.domain.evaluation import Estimate
from churnkit.errors import ClaimLost
from churnkit.ledger.retrainings import (
    begin_retraining,
    read_retrainings,
    take_over,
    write_step,
)
from churnkit.ledger.store import Ledger
from churnkit.monitoring.alerts import Alert
from churnkit.monitoring.triggers import TriggerFacts, TriggerRules, triggers
from churnkit.usecases.rollouts.verbs import running_rollout
from churnkit.usecases.training import retraining
from churnkit.usecases.training.comparing import Comparison
from tests.copies import copy_project
from tests.live import live

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def project(served_folder: Path, tmp_path: Path) -> Iterator[ck.Project]:
    """A project with a champion and a challenger that a test may change."""
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    with ck.open_project(folder) as opened:
        yield opened


def _made_by_itself(folder: Path) -> str | None:
    with ck.open_project(folder) as opened:
        rows = read_retrainings(opened.ledger.engine)
    return rows[-1].content.get("outcome") if rows else None


@pytest.mark.long
def test_the_service_has_a_model_made_when_one_is_due(project: ck.Project) -> None:
    settings = project.folder / "churnkit.toml"
    told = "\n[retraining]\nnew_labels = 0\nevery_days = 1e-9\nfewest_days = 0\n"
    told += "check_hours = 0.0005\n"
    settings.write_text(
        settings.read_text(encoding="utf-8").split("[retraining]")[0] + told, encoding="utf-8"
    )
    with live(project.folder):
        end = time.monotonic() + 180
        while _made_by_itself(project.folder) is None and time.monotonic() < end:
            time.sleep(0.5)
    assert _made_by_itself(project.folder) == "in a rollout"


def _alert(rule: str, severity: str) -> Alert:
    return Alert.model_validate(
        {
            "rule": rule,
            "subject": "v1",
            "severity": severity,
            "what": f"{rule} of v1",
            "since": None,
            "evidence": {},
        }
    )


def _facts(**changes: object) -> TriggerFacts:
    known = {"now": NOW, "newest_at": NOW - timedelta(days=40), "new_labels": 0, "alerts": ()}
    return TriggerFacts.model_validate({**known, **changes})


def test_each_reason_makes_a_model_due_and_names_itself() -> None:
    rules = TriggerRules(every_days=30, new_labels=500)
    kinds = lambda facts, rules: [t.kind for t in triggers(facts, rules)]  # noqa: E731
    assert kinds(_facts(), rules) == ["schedule"]
    assert kinds(_facts(), TriggerRules()) == []
    assert kinds(_facts(new_labels=500), TriggerRules(new_labels=500)) == ["labels"]
    assert kinds(_facts(new_labels=499), TriggerRules(new_labels=500)) == []
    drift, decay = _alert("drift", "warning"), _alert("quality", "critical")
    assert kinds(_facts(alerts=(drift, decay)), TriggerRules()) == ["drift", "decay"]
    assert kinds(_facts(alerts=(drift, decay)), TriggerRules(drift=False)) == ["decay"]
    assert kinds(_facts(alerts=(_alert("drift", "info"),)), TriggerRules()) == []


def test_a_reason_that_persists_does_not_train_again_and_again() -> None:
    young = _facts(newest_at=NOW - timedelta(hours=5), alerts=(_alert("quality", "critical"),))
    assert triggers(young, TriggerRules(fewest_days=1)) == ()


def test_of_many_processes_one_begins(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        with ThreadPoolExecutor(8) as pool:
            rows = list(
                pool.map(
                    lambda _: begin_retraining(ledger.engine, {"reasons": []}, now=NOW), range(16)
                )
            )
        assert len([row for row in rows if row is not None]) == 1


def test_one_that_was_given_up_writes_no_more(ledger_url: str) -> None:
    hour = timedelta(hours=1)
    with Ledger.open(ledger_url) as ledger:
        engine = ledger.engine
        first = begin_retraining(engine, {"reasons": []}, now=NOW)
        assert first is not None
        assert take_over(engine, now=NOW + hour / 2, silent=hour) is None
        second = take_over(engine, now=NOW + hour, silent=hour)
        assert second is not None
        with pytest.raises(ClaimLost):
            write_step(engine, first, "train", {}, now=NOW)
        done = write_step(engine, second, "done", {"outcome": "x"}, now=NOW + hour)
        assert read_retrainings(engine) == (done,)
        assert begin_retraining(engine, {}, now=NOW + hour) is not None


def test_surely_worse_needs_error_and_money() -> None:
    def comparison(brier: tuple[float, float], profit: tuple[float, float]) -> Comparison:
        def figure(low: float, high: float) -> Estimate:
            return Estimate(value=(low + high) / 2, low=low, high=high)

        return Comparison(9, {"brier": figure(*brier), "profit": figure(*profit)})

    assert comparison((0.01, 0.02), (-2.0, -1.0)).surely_worse
    assert not comparison((0.01, 0.02), (-2.0, 1.0)).surely_worse
    assert not comparison((-0.01, 0.02), (-2.0, -1.0)).surely_worse
    assert not Comparison(0, {}, "why").surely_worse


def test_it_trains_compares_and_starts_a_rollout(project: ck.Project) -> None:
    before = ck.list_models(project)
    result = ck.retrain(project, budget_seconds=3, why="a test")
    assert result.row is not None
    content = result.row.content
    assert content["outcome"] == "in a rollout"
    after = ck.list_models(project)
    assert len(after.versions) == len(before.versions) + 1
    assert after.holders["champion"] == before.holders["champion"], "it never promotes"
    assert after.holders["challenger"] == content["version"] == after.versions[-1].version
    going = running_rollout(project)
    assert going is not None and going.challenger == content["version"]
    assert "a test" in ck.journal(project).entries[-1].why
    again = ck.retrain(project, if_needed=True)
    assert again.row is None, "a young model makes nothing due"


def test_the_difference_is_measured_on_rows_that_neither_has_seen(project: ck.Project) -> None:
    champion = ck.show_model(project, "champion").record
    made = ck.retrain(project, budget_seconds=3).row
    assert made is not None
    comparison = made.content["comparison"]
    same = ck.show_model(project, made.content["version"]).record.settings == champion.settings
    if same:
        assert comparison["n"] == champion.n_test
        assert set(comparison["differences"]) == {"roc_auc", "brier", "profit"}
    # With other rows the older model may have learnt from this test: then nothing is claimed.
    rows = retraining.learning_rows(project)
    other = champion.model_copy(update={"data_fingerprint": "0" * 64})
    unfair = retraining.compare_models(project, rows, champion, other, versions=("v1", "v1"))
    assert unfair.differences == {} and "may have learnt" in unfair.why_not


@pytest.mark.parametrize(
    "step",
    ["train", *(pytest.param(s, marks=pytest.mark.long) for s in ("data", "compare", "rollout"))],
)
def test_a_crash_in_any_step_costs_that_step_only(
    project: ck.Project, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_before = len(ck.list_models(project).versions)
    whole = retraining._STEPS[step]

    def crash(work: object, content: object) -> object:
        whole(work, content)  # type: ignore[arg-type]
        raise RuntimeError("the power is gone before this was written down")

    monkeypatch.setitem(retraining._STEPS, step, crash)
    with pytest.raises(RuntimeError):
        ck.retrain(project, budget_seconds=2, why="a test")
    monkeypatch.setitem(retraining._STEPS, step, whole)
    result = ck.retrain(project, budget_seconds=2)
    assert result.row is not None
    assert result.row.content["outcome"] == "in a rollout"
    assert len(read_retrainings(project.ledger.engine)) == 1
    assert len(ck.list_models(project).versions) == n_before + 1, "the model was made once"
    rollouts = [e for e in ck.journal(project).entries if e.action == "challenge"]
    assert sum(e.version == result.row.content["version"] for e in rollouts) == 1


@pytest.mark.long
def test_kill_9_in_the_middle_of_a_training_and_the_next_cron_goes_on(
    project: ck.Project,
) -> None:
    command = [sys.executable, "-m", "churnkit", "-C", str(project.folder), "retrain"]
    child = subprocess.Popen(
        [*command, "--budget", "60s"], stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert child.stderr is not None
    for line in child.stderr:
        if "searching" in line:
            child.send_signal(signal.SIGKILL)
            break
    child.wait()
    child.stderr.close()
    (left,) = read_retrainings(project.ledger.engine)
    assert left.step == "train"
    done = subprocess.run([*command, "--budget", "3s"], capture_output=True, text=True, check=True)
    assert "has started, in shadow" in done.stdout
    (row,) = read_retrainings(project.ledger.engine)
    assert row.ended_at is not None
