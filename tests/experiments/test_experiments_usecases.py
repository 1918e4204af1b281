"""Experiments through the ledger: who enters, what is read when, and what stops the reading."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from churnkit import errors
from churnkit.domain.outcomes import Outcome
from churnkit.ledger.outcomes import record_outcomes
from churnkit.ledger.tables import experiment_entries, treatments
from churnkit.project import Project
from churnkit.usecases.erasing.verbs import erase
from churnkit.usecases.experiments.assigning import assign_experiment
from churnkit.usecases.experiments.verbs import (
    experiment_history,
    experiment_status,
    experiments,
    plan_experiment,
    start_experiment,
    stop_experiment,
)
from churnkit.usecases.models.verbs import journal, list_models, promote, verify_models
from churnkit.usecases.outcomes.holdouts import set_holdout
from churnkit.usecases.outcomes.weighing import is_member
from churnkit.usecases.rollouts.arms import running_arms
from churnkit.usecases.rollouts.start import start_rollout
from churnkit.usecases.rollouts.verbs import abort_rollout
from churnkit.usecases.scoring.verbs import score
from tests.experiments.trials import OFFER, Trial
from tests.live import in_threads
from tests.rollout.worlds import HORIZON, START, World, world_project

MODELS = {
    "kind": "models",
    "arms": [
        {"name": "new", "weight": 0.4, "model": "v2"},
        {"name": "now", "weight": 0.6, "model": "champion"},
    ],
    "outcomes": ["retention"],
}


@pytest.fixture
def project(served_folder: Path, tmp_path: Path) -> Iterator[Project]:
    with world_project(served_folder, tmp_path / "world") as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
def any_project(
    request: pytest.FixtureRequest, served_folder: Path, tmp_path: Path
) -> Iterator[Project]:
    url = str(request.getfixturevalue("postgres_url")) if request.param == "postgresql" else ""
    with world_project(served_folder, tmp_path / "world", url) as opened:
        yield opened


def test_an_offer_that_helps_is_found_and_nothing_is_read_too_early(any_project: Project) -> None:
    trial = Trial(any_project, {"call": -1.2}, per_day=120)
    start_experiment(any_project, OFFER, now=trial.now)
    trial.pass_days(HORIZON)
    early = experiment_status(any_project, now=trial.now).status
    # Who leaves is known at once, who stays at the end: no difference is read from such labels.
    assert early.matured_until is None
    assert all(effect.n == 0 and effect.estimate is None for effect in early.effects)
    assert all(arm.retained is None for arm in early.arms)
    # The log-rank test is made for that, and has seen who left already.
    assert early.hazards[0].events > 30
    trial.pass_days(14)
    seen = experiment_status(any_project, now=trial.now).status
    retention, revenue = seen.effects
    assert retention.n == sum(arm.counted for arm in seen.arms) == 14 * 120
    assert seen.matured_until == "2031-03-15"
    assert retention.state == "better"
    assert retention.lower is not None and retention.upper is not None
    assert 0 < retention.lower < retention.estimate < retention.upper  # type: ignore[operator]
    assert retention.adjusted and retention.coefficient is not None and retention.coefficient < 0
    assert retention.variance_saved is not None and 0.05 < retention.variance_saved < 0.5
    assert len(retention.path) == 14
    widths = [point.upper - point.lower for point in retention.path]
    assert widths[-1] < widths[4] < widths[0]
    # Money: 80 for each who stays, 2 for the call.
    assert revenue.estimate == pytest.approx(80 * retention.estimate - 2, abs=1.5)  # type: ignore[operator]
    assert seen.hazards[0].state == "better"
    assert seen.hazards[0].ratio is not None and seen.hazards[0].ratio < 0.7
    assert not seen.ratio.mismatch
    # Looking again changes nothing that was read.
    again = experiment_status(any_project, now=trial.now).status
    assert again == seen
    text = str(experiment_status(any_project, now=trial.now))
    assert "better" in text
    assert "CUPED takes" in text


def test_what_was_read_is_kept_as_more_matures(project: Project) -> None:
    trial = Trial(project, {"call": -0.3}, per_day=60)
    start_experiment(project, OFFER, now=trial.now)
    trial.pass_days(HORIZON + 6)
    before = experiment_status(project, now=trial.now).status.effects[0].path
    trial.pass_days(5)
    after = experiment_status(project, now=trial.now).status.effects[0].path
    assert len(after) > len(before) > 3
    assert after[: len(before)] == before


def test_what_comes_after_a_day_was_taken_in_changes_nothing(project: Project) -> None:
    """Late outcomes and corrections: the same is read as if somebody had looked all the time."""
    settings = project.settings
    few = settings.outcomes.model_copy(update={"complete_share": 0.6})
    project.settings = settings.model_copy(update={"outcomes": few})
    trial = Trial(project, {"call": -0.5}, per_day=60)
    seen = Counter[str]()

    def lost(arm: str) -> bool:
        seen[arm] += 1
        return seen[arm] % 5 == 0

    trial.lost = lost
    start_experiment(project, {**OFFER, "outcomes": ["retention"]}, now=trial.now)
    trial.pass_days(HORIZON + 5)
    before = experiment_status(project, now=trial.now).status
    assert before.effects[0].n > 150
    assert sum(arm.missing for arm in before.arms) > 30
    customers = [f"{trial.seed}-{day}-{i}" for day in range(1, 6) for i in range(60)]
    entered = {day: START + timedelta(days=day, hours=-6) for day in range(1, 6)}
    late = [
        Outcome(
            customer_id=name,
            churned=True,
            source="late",
            observed_from=entered[int(name.split("-")[1])] - timedelta(seconds=1),
            churned_at=entered[int(name.split("-")[1])] + timedelta(days=1),
        )
        for name in customers
    ]
    record_outcomes(project.ledger.engine, late, now=trial.now + timedelta(minutes=5))
    after = experiment_status(project, now=trial.now + timedelta(minutes=10)).status
    assert after.effects == before.effects
    assert after.arms == before.arms


def test_a_day_waits_for_its_outcomes(project: Project) -> None:
    trial = Trial(project, per_day=50)
    start_experiment(project, {**OFFER, "outcomes": ["retention"]}, now=trial.now)
    trial.pass_days(3)
    trial.lost = lambda _: True
    trial.pass_day()
    trial.lost = lambda _: False
    trial.pass_days(HORIZON + 4)
    seen = experiment_status(project, now=trial.now).status
    assert seen.matured_until == "2031-03-04"
    assert seen.waiting_for == "2031-03-05: 0 of 50 outcomes are known"
    assert seen.effects[0].n == 150


def test_outcomes_that_one_arm_lacks_stop_the_reading(project: Project) -> None:
    settings = project.settings
    few = settings.outcomes.model_copy(update={"complete_share": 0.5})
    project.settings = settings.model_copy(update={"outcomes": few})
    trial = Trial(project, {"call": -1.0}, per_day=150)
    kept = Counter[str]()

    def lost(arm: str) -> bool:
        kept[arm] += 1
        return arm == "call" and kept[arm] % 3 == 0

    trial.lost = lost
    start_experiment(project, OFFER, now=trial.now)
    trial.pass_days(HORIZON + 10)
    seen = experiment_status(project, now=trial.now).status
    assert seen.ratio.mismatch
    assert "outcomes are missing more often" in seen.withheld
    assert seen.effects == seen.hazards == ()
    assert all(arm.retained is None for arm in seen.arms)
    assert "Nothing is read off" in str(experiment_status(project, now=trial.now))


def test_arms_without_their_shares_stop_the_reading(project: Project) -> None:
    trial = Trial(project, per_day=200)
    start_experiment(project, OFFER, now=trial.now)
    trial.pass_days(HORIZON + 4)
    table = experiment_entries
    with project.ledger.writing() as connection:
        # Somebody deletes customers of one arm.
        doomed = (
            sa.select(table.c.customer_id).where(table.c.arm == "call").limit(400)
        ).scalar_subquery()
        connection.execute(sa.delete(table).where(table.c.customer_id.in_(doomed)))
    seen = experiment_status(project, now=trial.now).status
    assert "did not get their shares" in seen.withheld
    assert seen.effects == ()


def test_assigning_is_repeatable_written_down_and_logged(
    any_project: Project, tmp_path: Path
) -> None:
    project = any_project
    trial = Trial(project)
    start_experiment(project, OFFER, now=trial.now)
    source, target = tmp_path / "base.csv", tmp_path / "arms.csv"
    source.write_text("customer_id\n" + "\n".join(f"c{i}" for i in range(500)) + "\nc0\n")
    first = assign_experiment(project, "e1", source, output=target, now=trial.now)
    assert (first.n, first.n_new, sum(first.counts.values())) == (500, 500, 500)
    assert 200 < first.counts["call"] < 300
    with target.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert Counter(row["arm"] for row in rows) == first.counts
    assert {row["offer"] for row in rows if row["arm"] == "call"} == {"a call"}
    later = trial.now + timedelta(days=2)
    more = [f"c{i}" for i in range(490, 510)]
    second = assign_experiment(project, "e1", more, now=later)
    assert (second.n_new, second.n_known) == (10, 10)
    arms = {one.customer_id: one.arm for one in (*first.entries, *second.entries)}
    assert all(arms[row["customer_id"]] == row["arm"] for row in rows)
    with project.ledger.reading() as connection:
        logged = connection.execute(sa.select(treatments)).mappings().all()
    assert len(logged) == 510
    assert {(row["campaign"], row["assignment_probability"]) for row in logged} == {("e1", 0.5)}
    assert all(row["hold_out"] == (arms[row["customer_id"]] == "control") for row in logged)
    # Another experiment of treatments takes other customers, and draws them anew.
    start_experiment(project, OFFER, now=later)
    third = assign_experiment(project, "e2", [*more, "new"], now=later)
    assert (third.n_new, third.n_elsewhere) == (1, 20)
    assert [row.experiment_id for row in experiments(project).rows] == ["e1", "e2"]


def test_who_is_held_out_or_erased_is_not_drawn(project: Project) -> None:
    trial = Trial(project)
    holdout = set_holdout(project, 0.2, now=trial.now).holdouts[0]
    start_experiment(project, OFFER, now=trial.now)
    names = [f"c{i}" for i in range(300)]
    kept = {name for name in names if is_member(holdout, name)}
    done = assign_experiment(project, None, names, now=trial.now)
    assert done.n_held_out == len(kept) > 30
    assert {one.customer_id for one in done.entries} == set(names) - kept
    gone = done.entries[0].customer_id
    erase(project, gone, why="asked for it")
    again = assign_experiment(project, None, names, now=trial.now)
    assert (again.n_erased, again.n_new) == (1, 0)
    assert gone not in {one.customer_id for one in again.entries}
    with project.ledger.reading() as connection:
        query = sa.select(experiment_entries.c.customer_id)
        assert gone not in set(connection.execute(query).scalars())


def test_models_answer_by_arm_and_customers_enter_with_their_first_request(
    any_project: Project,
) -> None:
    project = any_project
    world = World(project, noise=1.2, per_day=150)
    world.pass_day()  # scores from before the experiment
    start_experiment(project, MODELS, now=world.now)
    arms = running_arms(project)
    assert arms is not None
    assert (arms.rollout_id, arms.champion, arms.challenger) == ("e1", "v1", "v2")
    assert arms.share == pytest.approx(0.4)
    for _ in world.days(HORIZON + 8):
        pass
    seen = experiment_status(project, now=world.now).status
    entered = {arm.arm: arm.entered for arm in seen.arms}
    assert sum(entered.values()) == 150 * (HORIZON + 8)
    assert seen.arms[0].crossed == 0
    assert seen.effects[0].n > 900
    assert seen.effects[0].state == "open"
    assert not seen.effects[0].adjusted  # these customers were never scored before
    with project.ledger.reading() as connection:
        rows = connection.execute(sa.select(experiment_entries)).mappings().all()
    assert all(
        arms.assignment.arm(row["customer_id"]) in ("champion", "challenger") for row in rows
    )
    assert all(
        (arms.assignment.arm(row["customer_id"]) == "challenger") == (row["arm"] == "new")
        for row in rows
    )
    # Who became the champion otherwise: the arms answer nobody, and the status says so.
    promote(project, "v2", why="by hand")
    assert running_arms(project) is None
    assert "arms answer nobody" in str(experiment_status(project, now=world.now))


def test_a_table_is_scored_by_the_arms(project: Project) -> None:
    start_experiment(project, MODELS)
    scored = score(project, record=True)
    assert scored.rollout_id == "e1"
    assert "Experiment e1 shared them out: champion" in str(scored)
    seen = experiment_status(project).status
    assert {arm.arm: arm.entered for arm in seen.arms} == {
        "new": scored.answered["challenger"], "now": scored.answered["champion"],
    }  # fmt: skip


def test_a_rollout_and_an_experiment_exclude_each_other(any_project: Project) -> None:
    project = any_project
    world = World(project, noise=1.2)
    start_rollout(project, now=world.now)
    for plan in (OFFER, MODELS):
        with pytest.raises(errors.RolloutRunning, match="r1"):
            start_experiment(project, plan, now=world.now)
    abort_rollout(project, why="for the experiment")
    start_experiment(project, OFFER, now=world.now)
    with pytest.raises(errors.ExperimentRunning, match="e1"):
        start_rollout(project, attempt=2, now=world.now)
    with pytest.raises(errors.ExperimentRunning, match="e1"):
        start_experiment(project, MODELS, now=world.now)
    stop_experiment(project, "e1", "enough", now=world.now)
    start_experiment(project, MODELS, now=world.now)
    with pytest.raises(errors.ExperimentRunning, match="e2"):
        start_rollout(project, attempt=2, now=world.now)


def test_stopping_ends_entry_and_not_the_following(project: Project) -> None:
    trial = Trial(project, per_day=40)
    start_experiment(project, OFFER, why="does it help?", now=trial.now)
    trial.pass_days(5)
    with pytest.raises(errors.StepNotAllowed, match="reason"):
        stop_experiment(project, "e1", " ", now=trial.now)
    stopped = stop_experiment(project, "e1", "the budget is spent", who="ann", now=trial.now)
    assert stopped.status.condition == "stopped"
    assert stop_experiment(project, "e1", "again", now=trial.now).status.condition == "stopped"
    with pytest.raises(errors.ExperimentOver):
        assign_experiment(project, "e1", ["late"], now=trial.now)
    trial.pass_days(HORIZON + 3, enter=False)
    seen = experiment_status(project, now=trial.now).status
    assert seen.effects[0].n == 5 * 40
    steps = experiment_history(project).steps
    assert [step.action for step in steps] == ["start", *["assign"] * 5, "stop"]
    assert (steps[0].why, steps[-1].why, steps[-1].who) == (
        "does it help?", "the budget is spent", "ann",
    )  # fmt: skip
    assert steps[-1].document["arms"][0]["entered"] > 0
    # The journal has both ends, with what was read, and its chain is whole; no alias moved.
    entries = journal(project).entries[-2:]
    assert [(one.action, one.evidence["experiment"]) for one in entries] == [
        ("start", "e1"), ("stop", "e1"),
    ]  # fmt: skip
    assert sum(arm["entered"] for arm in entries[1].evidence["arms"]) == 200
    assert verify_models(project).ok
    assert list_models(project).holders == {"champion": "v1", "challenger": "v2"}


def test_customers_are_drawn_once_however_many_ask(any_project: Project) -> None:
    trial = Trial(any_project)
    start_experiment(any_project, OFFER, now=trial.now)
    names = [f"c{i}" for i in range(120)]
    parts = [names[10 * i : 10 * i + 60] for i in range(6)]
    in_threads([partial(assign_experiment, any_project, "e1", p, now=trial.now) for p in parts])
    with any_project.ledger.reading() as connection:
        rows = connection.execute(sa.select(experiment_entries)).mappings().all()
        logged = connection.execute(sa.select(treatments)).mappings().all()
    assert len(rows) == len({row["customer_id"] for row in rows}) == len(logged) == 110


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"arms": [{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.4}]}, "add up to 1"),
        ({"arms": [{"name": "a", "weight": 0.5}, {"name": "a", "weight": 0.5}]}, "same name"),
        ({"outcomes": ["revenue"], "revenue_cap": None}, "revenue_cap"),
        ({"kind": "models"}, "must name a model"),
        ({"colour": "red"}, "not permitted"),
        ({"alpha": 0.7}, "less than or equal"),
    ],
)
def test_a_plan_that_cannot_be_used_is_refused(
    project: Project, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(errors.PlanInvalid, match=says):
        start_experiment(project, {**OFFER, **change})
    assert experiments(project).rows == ()


def test_models_need_the_champion_and_another_one(project: Project) -> None:
    def arms(first: str, second: str) -> dict[str, Any]:
        return {
            "kind": "models",
            "arms": [
                {"name": "a", "weight": 0.5, "model": first},
                {"name": "b", "weight": 0.5, "model": second},
            ],
        }

    for first, second in (("v2", "v2"), ("v1", "champion")):
        with pytest.raises(errors.PlanInvalid, match="must be the champion"):
            start_experiment(project, arms(first, second))
    with pytest.raises(errors.UnknownModelVersion):
        start_experiment(project, arms("v1", "v9"))
    with pytest.raises(errors.UnknownExperiment, match="no experiment yet"):
        experiment_status(project)
    start_experiment(project, arms("v1", "v2"))
    with pytest.raises(errors.StepNotAllowed, match="first request"):
        assign_experiment(project, "e1", ["c1"])


def test_sizes_come_from_what_has_matured(project: Project) -> None:
    with pytest.raises(errors.PlanInvalid, match="not known"):
        plan_experiment(project)
    world = World(project, noise=1.2, per_day=100)
    for _ in world.days(HORIZON + 10):
        pass
    found = plan_experiment(project, OFFER, effect=0.04, simulations=300, now=world.now)
    plan = found.plan
    assert 0.6 < plan.retention < 0.85
    assert 0.25 < plan.correlation < 0.6
    assert plan.correlation_from == "measured on matured predictions"
    assert plan.alpha == pytest.approx(0.05 / 3)
    by = {(one.method, one.adjusted): one for one in plan.sizes}
    for method in ("fixed", "sequential"):
        plain, adjusted = by[method, False], by[method, True]
        assert adjusted.customers < plain.customers  # type: ignore[operator]
        assert adjusted.customers / plain.customers == pytest.approx(  # type: ignore[operator]
            1 - plan.correlation**2, abs=0.12
        )
        assert plain.days > HORIZON  # type: ignore[operator]
    assert by["sequential", True].customers > by["fixed", True].customers  # type: ignore[operator]
    assert "look at any time" in str(found)
