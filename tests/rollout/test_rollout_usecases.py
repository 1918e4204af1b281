"""Rollouts through the ledger: who acts, what is written, and what is never seen too early."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from churnkit import errors
from churnkit.domain.outcomes import Outcome
from churnkit.ledger.outcomes import record_outcomes
from churnkit.ledger.tables import predictions
from churnkit.project import Project
from churnkit.rollout.plan import attempt_share
from churnkit.usecases.models.verbs import journal, list_models, verify_models
from churnkit.usecases.models.verbs import promote as promote_model
from churnkit.usecases.rollouts.arms import running_arms
from churnkit.usecases.rollouts.replaying import replay_rollout
from churnkit.usecases.rollouts.start import start_rollout
from churnkit.usecases.rollouts.verbs import (
    abort_rollout,
    advance_rollout,
    pause_rollout,
    promote_rollout,
    resume_rollout,
    rollout_history,
    rollout_status,
)
from tests.live import in_threads
from tests.outcomes.projects import prediction
from tests.rollout.worlds import HORIZON, START, World, world_project

PLAN = {"gates": [{"metric": "profit", "tolerance": 0.5}]}


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


def _actions(project: Project, rollout_id: str | None = None) -> list[str]:
    return [step.action for step in rollout_history(project, rollout_id).steps]


def test_a_good_challenger_is_promoted(project: Project) -> None:
    world = World(project, noise=0.4, per_day=300)
    start_rollout(project, plan=PLAN, salt="good", now=world.now)
    states: list[tuple[int, str, str]] = []
    for now in world.days(60):
        looked = advance_rollout(project, now=now)
        assert looked.decision is not None
        gate = looked.decision.readings[0]
        states.append((gate.n, gate.state, looked.decision.reason))
        if looked.view.row.outcome:
            break
    assert looked.view.row.outcome == "promoted"
    # How many pairs that takes follows from the world: a day of 300 matures after 11 days, the gate
    # is proven with the third, and then only the stage's minima are waited for. (With a horizon of
    # 30 days and stages of 1,000 customers it was proven with the third day, too, and waited for
    # the stage until 3,300 pairs.)
    matured = [state for state in states if state[0]]
    assert [(n, state) for n, state, _ in matured[:3]] == [
        (300, "open"), (600, "open"), (900, "proven"),
    ]  # fmt: skip
    assert all("more customers" in reason for _, _, reason in matured[2:-1])
    assert _actions(project) == ["start", "advance", "advance", "advance", "promote"]
    shares = [step.share for step in rollout_history(project).steps]
    assert shares == [0.0, 0.01, 0.05, 0.25, 1.0]
    assert list_models(project).holders == {"champion": "v2", "challenger": None}
    assert running_arms(project) is None
    # The journal holds the step with the evidence that it rests on, and its chain is whole.
    entries = journal(project).entries
    assert [entry.action for entry in entries[2:]] == [
        "start", "advance", "advance", "advance", "promote", "retire",
    ]  # fmt: skip
    seen = entries[-2].evidence["readings"][0]
    assert seen["state"] == "proven"
    assert seen["lower"] > -0.5
    assert seen["n"] == entries[-2].evidence["pairs"] == matured[-1][0] >= 900
    assert verify_models(project).ok
    # A further look changes nothing.
    again = advance_rollout(project, now=world.now + timedelta(days=1))
    assert not again.acted
    assert _actions(project)[-1] == "promote"


def test_a_bad_challenger_is_stopped_and_a_further_attempt_has_less_to_spend(
    project: Project,
) -> None:
    world = World(project, noise=3.5, per_day=300)
    first = start_rollout(project, plan=PLAN, now=world.now)
    for now in world.days(60):
        looked = advance_rollout(project, now=now)
        if looked.view.row.outcome:
            break
    assert looked.view.row.outcome == "aborted"
    assert list_models(project).holders == {"champion": "v1", "challenger": "v2"}
    assert looked.view.share == 0.0
    with pytest.raises(errors.RolloutOver):
        pause_rollout(project, why="too late")
    second = start_rollout(project, plan=PLAN, attempt=2, now=world.now)
    assert second.rollout_id == "r2"
    assert second.row.attempt == second.position.attempt == 2
    assert second.row.salt != first.row.salt
    # Asked for again while it runs, it is the same one; a third must wait for its end.
    assert start_rollout(project, plan=PLAN, attempt=2, now=world.now).row == second.row
    with pytest.raises(errors.RolloutRunning, match="r2"):
        start_rollout(project, plan=PLAN, now=world.now)
    world.pass_day()
    seen = advance_rollout(project, now=world.now).decision
    assert seen is not None
    assert seen.readings[0].alpha == pytest.approx(0.05 * attempt_share(2))


def test_of_many_processes_one_acts(any_project: Project) -> None:
    project = any_project
    world = World(project, noise=1.0, per_day=600)
    start_rollout(project, plan=PLAN, now=world.now)
    for _ in world.days(2):
        pass
    gate = threading.Barrier(6)

    def look() -> bool:
        gate.wait()
        return advance_rollout(project, now=world.now).acted

    assert sum(in_threads([look] * 6)) == 1
    assert _actions(project) == ["start", "advance"]
    assert rollout_status(project).position.stage == 1


def test_looks_at_once_take_each_pair_in_once(any_project: Project) -> None:
    project = any_project
    world = World(project, noise=1.0, per_day=50)
    start_rollout(project, plan=PLAN, now=world.now)
    for _ in world.days(HORIZON + 4):
        pass
    in_threads([lambda: advance_rollout(project, now=world.now)] * 4)
    known = rollout_status(project).evidence
    due = (world.day - HORIZON - 1) * world.per_day
    assert known.live.n == due
    advance_rollout(project, now=world.now + timedelta(minutes=5))
    assert rollout_status(project).evidence.live.n == due


def test_outcomes_that_are_known_early_are_not_seen_early(project: Project) -> None:
    """Leavers are known at once, stayers when their window closes: whole days count, or none."""
    world = World(project, noise=1.0, per_day=100)
    start_rollout(project, plan=PLAN, now=world.now)
    world.pass_day()
    at, names, left = world.waiting.pop()
    engine = project.ledger.engine
    gone = [
        Outcome(customer_id=name, churned=True, source="crm", as_of=at)
        for name, leaves in zip(names, left, strict=True)
        if leaves
    ]
    record_outcomes(engine, gone, now=at + timedelta(days=3))
    due = at + timedelta(days=HORIZON + 1)
    for now in (at + timedelta(days=5), due):
        advance_rollout(project, now=now)
        assert rollout_status(project).evidence.live.n == 0
    assert "outcomes are known" in rollout_status(project).evidence.waiting_for
    stayed = [
        Outcome(customer_id=name, churned=False, source="crm", as_of=at)
        for name, leaves in zip(names, left, strict=True)
        if not leaves
    ]
    record_outcomes(engine, stayed, now=due)
    advance_rollout(project, now=due + timedelta(hours=1))
    assert rollout_status(project).evidence.live.n == 100


def test_what_the_models_may_have_learnt_from_is_no_evidence(project: Project) -> None:
    """A prediction may look from a day whose outcome was known before the models were made."""
    world = World(project, noise=1.0, per_day=20)
    start_rollout(project, plan=PLAN, now=world.now)
    fresh_from = rollout_status(project).evidence.fresh_from
    assert fresh_from is not None
    moments = [fresh_from + timedelta(days=days) for days in (-2, -1, 1, 2)]
    rows, told = [], []
    for number, moment in enumerate(moments):
        answer = prediction(f"p{number}", f"c{number}", world.now, as_of=moment, rollout_id="r1")
        shadow = {"prediction_id": f"s{number}", "shadow_of": f"p{number}", "model_version": "v2",
                  "variant": "challenger"}  # fmt: skip
        rows += [answer, answer.model_copy(update=shadow)]
        told.append(Outcome(f"c{number}", churned=False, source="t", as_of=moment))
    project.ledger.record_predictions(rows)
    now = world.now + timedelta(days=1)
    record_outcomes(project.ledger.engine, told, now=now)
    advance_rollout(project, now=now + timedelta(hours=1))
    assert rollout_status(project).evidence.live.n == 2  # of four
    assert replay_rollout(project, now=now + timedelta(hours=1)).n_pairs == 2


def test_what_can_be_no_evidence_keeps_nothing_else_waiting(project: Project) -> None:
    """A day is taken in when the days before are whole: one of long ago may never become whole."""
    world = World(project, noise=1.0, per_day=20)
    start_rollout(project, plan=PLAN, now=world.now)
    fresh_from = rollout_status(project).evidence.fresh_from
    assert fresh_from is not None
    old = prediction("p", "c", world.now, as_of=fresh_from - timedelta(days=99), rollout_id="r1")
    project.ledger.record_predictions([old])
    for now in world.days(HORIZON + 3):
        advance_rollout(project, now=now)
    assert rollout_status(project).evidence.live.n == 2 * world.per_day


def test_a_person_moves_it_with_a_reason_and_twice_is_once(project: Project) -> None:
    world = World(project, noise=1.0, per_day=600)
    start_rollout(project, plan=PLAN, now=world.now)
    for _ in world.days(2):
        pass
    with pytest.raises(errors.StepNotAllowed, match="reason"):
        pause_rollout(project, why=" ")
    paused = pause_rollout(project, why="a campaign begins", who="ada", now=world.now)
    assert pause_rollout(project, why="again", who="bob", now=world.now).row == paused.row
    assert advance_rollout(project, now=world.now).acted is False  # it stays with the person
    with pytest.raises(errors.RolloutChanged):
        resume_rollout(project, why="over", expected_revision=1, now=world.now)
    revision = rollout_status(project).row.revision
    resume_rollout(project, why="over", expected_revision=revision, now=world.now)
    assert advance_rollout(project, now=world.now).acted
    aborted = abort_rollout(project, why="a bug in a feature", who="ada", now=world.now)
    assert abort_rollout(project, why="again", who="bob", now=world.now).row == aborted.row
    assert _actions(project) == ["start", "pause", "resume", "advance", "abort"]
    assert journal(project).entries[-1].who == "ada"
    assert journal(project).entries[-1].why == "a bug in a feature"


def test_a_person_may_promote_from_shadow(project: Project) -> None:
    start_rollout(project, now=START)
    promote_rollout(project, why="the old model cannot be run any more", now=START)
    assert list_models(project).holders["champion"] == "v2"
    assert promote_rollout(project, why="again", now=START).row.revision == 2


def test_a_damaged_challenger_is_not_promoted(project: Project) -> None:
    start_rollout(project, now=START)
    (project.bundle("v2") / "schema.json").write_text("{}")
    with pytest.raises(errors.BundleError, match="v2 may not serve"):
        promote_rollout(project, why="it looks good", now=START)
    assert rollout_status(project).row.outcome is None
    assert list_models(project).holders["champion"] == "v1"


def test_a_champion_changed_by_hand_ends_it(project: Project) -> None:
    start_rollout(project, now=START)
    assert running_arms(project) is not None
    promote_model(project, "v2", why="by hand")
    assert running_arms(project) is None  # the model that serves answers alone, at once
    looked = advance_rollout(project, now=START + timedelta(hours=1))
    assert looked.view.row.outcome == "aborted"
    assert "v2 became the champion outside" in rollout_history(project).steps[-1].why


def test_overrides_are_kept_apart(project: Project) -> None:
    world = World(project, noise=1.0, per_day=100)
    named = {f"1-1-{i}": "challenger" for i in range(40)}
    start_rollout(project, plan=PLAN, overrides=named, now=world.now)
    world.pass_day()
    with project.ledger.reading() as connection:
        answered = connection.execute(
            sa.select(predictions.c.customer_id).where(
                predictions.c.variant == "challenger", predictions.c.shadow_of.is_(None)
            )
        ).scalars()
        assert set(answered) == set(named)
    looked = advance_rollout(project, now=world.now)
    # In shadow nobody else may be the challenger's: 40 of 100 would be an infinite surprise.
    assert looked.decision is not None
    assert looked.decision.verdict == "wait"
    (group,) = rollout_status(project).evidence.ratio.groups
    assert group.counts == (0, 60)


def test_arms_that_are_not_kept_pause_it(project: Project) -> None:
    world = World(project, noise=1.0, per_day=600)
    start_rollout(project, plan=PLAN, now=world.now)
    for now in world.days(2):
        advance_rollout(project, now=now)
    assert rollout_status(project).position.stage == 1
    world.pass_day()
    with project.ledger.writing() as connection:
        # Something between us and the customers gives the challenger's answers to every tenth.
        connection.execute(
            sa.update(predictions)
            .where(predictions.c.customer_id.like("1-3-%0"), predictions.c.shadow_of.is_(None))
            .values(variant="challenger")
        )
    looked = advance_rollout(project, now=world.now)
    assert looked.decision is not None
    assert looked.decision.verdict == "pause"
    assert "shares of customers" in looked.decision.reason


def test_a_challenger_that_fails_to_answer_is_stopped(project: Project) -> None:
    from churnkit.domain.rollouts import RolloutFailure

    world = World(project, noise=1.0, per_day=600)
    view = start_rollout(project, plan=PLAN, now=world.now)
    world.pass_day(fails=lambda name: int(name.rpartition("-")[2]) % 10 == 0)
    with project.ledger.reading() as connection:
        shadowed = sa.select(predictions.c.shadow_of).where(predictions.c.shadow_of.is_not(None))
        lonely = connection.execute(
            sa.select(predictions.c.prediction_id, predictions.c.made_at).where(
                predictions.c.shadow_of.is_(None), predictions.c.prediction_id.not_in(shadowed)
            )
        ).all()
    assert len(lonely) == 60
    with project.ledger.recording() as recording:
        recording.add_failures(
            RolloutFailure(
                prediction_id=row.prediction_id,
                rollout_id=view.rollout_id,
                variant="challenger",
                at=row.made_at,
                why="bad_value",
            )
            for row in lonely
        )
    looked = advance_rollout(project, now=world.now)
    assert looked.decision is not None
    assert looked.decision.verdict == "abort"
    assert "error rate" in looked.decision.reason


def test_what_cannot_be_started_is_refused(project: Project) -> None:
    for plan in (
        {"alpha_promote": 0},
        {"stages": [{"name": "all", "share": 0.5}]},
        {"gates": [{"metric": "brier"}]},
        {"alpa_promote": 0.1},
        {"policy": {"terms": {"success_rate": 2}}},
    ):
        with pytest.raises(errors.PlanInvalid):
            start_rollout(project, plan=plan, now=START)
    with pytest.raises(errors.PlanInvalid, match="arm"):
        start_rollout(project, overrides={"A": "both"}, now=START)
    with pytest.raises(errors.StepNotAllowed, match="champion"):
        start_rollout(project, "v1", now=START)
    with pytest.raises(errors.UnknownModelVersion):
        start_rollout(project, "v9", now=START)
    with pytest.raises(errors.StepNotAllowed, match="number 1"):
        start_rollout(project, attempt=2, now=START)
    with pytest.raises(errors.PlanInvalid, match="customers"):
        start_rollout(project, customers=-1, now=START)
    with pytest.raises(errors.UnknownRollout):
        rollout_status(project)
    assert [entry.action for entry in journal(project).entries] == ["promote", "challenge"]


def test_the_forecast_says_when_and_whether(project: Project) -> None:
    gate = {"metric": "profit", "tolerance": 0.5, "expected_gain": 0.5, "expected_sd": 12.0}
    view = start_rollout(
        project, plan={"gates": [gate]}, customers=20_000, predictions_per_day=400, now=START
    )
    told = view.row.forecast
    assert 500 < told["labels_needed"] < 20_000
    assert told["labels_needed"] <= told["reachable"] <= 20_000
    # At least so many days of 400 predictions, and the month until they mature; customers who
    # come again do not count, so it takes longer.
    earliest = START + timedelta(days=told["labels_needed"] / 400 + HORIZON)
    assert earliest <= datetime.fromisoformat(told["expected_at"]) < earliest + timedelta(days=90)
    assert "verdict takes about" in str(view)


def test_evidence_in_the_ledger_names_no_customer(project: Project) -> None:
    world = World(project, noise=1.0, per_day=100)
    start_rollout(project, plan=PLAN, now=world.now)
    for now in world.days(HORIZON + 3):
        advance_rollout(project, now=now)
    assert rollout_status(project).evidence.live.n == 200
    with project.ledger.reading() as connection:
        for table in ("rollouts", "rollout_stages", "journal"):
            for row in connection.execute(sa.text(f"select * from {table}")):
                assert "1-1-" not in str(row), table


def test_treated_customers_are_no_evidence_where_everyone_should_count(project: Project) -> None:
    from churnkit.domain.outcomes import Treatment
    from churnkit.ledger.outcomes import record_treatments

    def treat(name: str, at: datetime) -> None:
        offer = Treatment(
            treatment_id=name, customer_id=name, at=at, offer="10 %", campaign="c", source="crm"
        )
        record_treatments(project.ledger.engine, [offer], now=at)

    world = World(project, noise=1.0, per_day=60)
    start_rollout(project, plan=PLAN, now=world.now)
    world.pass_day()
    treat("1-1-7", world.now + timedelta(days=2))
    for _ in world.days(HORIZON + 1):
        pass
    looked = advance_rollout(project, now=world.now)
    assert looked.decision is not None
    assert looked.decision.verdict == "pause"
    assert "treated" in looked.decision.reason
    assert looked.view.evidence.live.n == 0
    abort_rollout(project, why="count the hold-out instead", now=world.now)
    with pytest.raises(errors.PlanInvalid, match="treated lately"):
        start_rollout(project, plan=PLAN, now=world.now)
    start_rollout(project, plan={**PLAN, "outcomes": "holdout"}, now=world.now)
