"""Drift of the models' scores reaches the controller: it may pause a rollout, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from churnkit.domain.predictions import PredictionRow, prediction_ids
from churnkit.monitoring.baseline import Baseline, FeatureBaseline
from churnkit.monitoring.counting import count_customers
from churnkit.monitoring.drift import DriftTest
from churnkit.project import Project
from churnkit.rollout.plan import Plan, Policy, budget
from churnkit.usecases.models.verbs import journal
from churnkit.usecases.monitoring.drifting import score_baseline
from churnkit.usecases.rollouts.arms import CHALLENGER, CHAMPION, running_arms
from churnkit.usecases.rollouts.start import start_rollout
from churnkit.usecases.rollouts.verbs import advance_rollout, resume_rollout, rollout_status
from tests.rollout.simulations import TERMS
from tests.rollout.worlds import START, world_project

PLAN = {"gates": [{"metric": "profit", "tolerance": 0.5}], "score_drift": "pause"}
Tilt = Callable[[int], float]
"""By day: how strongly high scores are favoured; 0 is the reference."""


@pytest.fixture(params=["sqlite"])
def project(
    request: pytest.FixtureRequest, served_folder: Path, tmp_path: Path
) -> Iterator[Project]:
    url = str(request.getfixturevalue("postgres_url")) if request.param == "postgresql" else ""
    with world_project(served_folder, tmp_path / "world", url) as opened:
        yield opened


def _drawn(baseline: Baseline, n: int, tilt: float, rng: np.random.Generator) -> list[float]:
    """Scores as the model's test customers had them, or tilted towards the high ones."""
    (score,) = baseline.features
    edges = np.array([0.0, *score.edges, 1.0])
    shares = np.array(score.counts[1:]) * np.exp(tilt * np.arange(len(score.counts) - 1))
    places = rng.choice(len(shares), size=n, p=shares / shares.sum())
    return (edges[places] + rng.random(n) * (edges[places + 1] - edges[places])).tolist()


def _pass_day(project: Project, day: int, tilts: dict[str, float], n: int = 150) -> None:
    arms = running_arms(project)
    assert arms is not None
    at = START + timedelta(days=day, hours=-6)
    ids, rng = prediction_ids(at), np.random.default_rng([3, day])
    versions = {CHAMPION: "v1", CHALLENGER: "v2"}
    scores = {}
    for arm, version in versions.items():
        baseline = score_baseline(project, version)
        assert baseline is not None
        scores[arm] = _drawn(baseline, n, tilts.get(arm, 0.0), rng)
    rows: list[PredictionRow] = []
    for i in range(n):
        # Every tenth customer came before: he says nothing new.
        name = f"{day}-{i}" if i % 10 or day == 1 else f"1-{i}"
        mine = arms.assignment.arm(name)
        for arm in (mine, CHAMPION if mine == CHALLENGER else CHALLENGER):
            row = PredictionRow(
                prediction_id=next(ids), customer_id=name, model_version=versions[arm],
                probability=scores[arm][i], risk_band="low", variant=arm, made_at=at,
                rollout_id=arms.rollout_id,
            )  # fmt: skip
            if arm != mine:
                row = row.model_copy(update={"shadow_of": rows[-1].prediction_id})
            rows.append(row)
    project.ledger.record_predictions(rows)


def _run(project: Project, days: range, tilts: Callable[[int], dict[str, float]]) -> str:
    """The last verdict."""
    verdict = ""
    for day in days:
        _pass_day(project, day, tilts(day))
        looked = advance_rollout(project, now=START + timedelta(days=day))
        assert looked.decision is not None
        verdict = looked.decision.verdict
        assert verdict not in ("abort", "promote")
        if verdict == "pause":
            break
    return verdict


@pytest.mark.parametrize(
    ("project", "drifting"),
    [("sqlite", CHAMPION), ("postgresql", CHALLENGER)],
    indirect=["project"],
)
def test_planted_drift_of_scores_pauses_the_rollout_and_the_journal_says_why(
    project: Project, drifting: str
) -> None:
    start_rollout(project, plan=PLAN, now=START)
    assert _run(project, range(1, 5), lambda day: {}) in ("wait", "advance")
    assert _run(project, range(5, 12), lambda day: {drifting: 1.0}) == "pause"
    named = f"score drift of {'v2' if drifting == CHALLENGER else 'v1'}"
    view = rollout_status(project)
    assert view.position.condition == "paused"
    assert named in str(view.row.decision["reason"]) and named in str(view).replace(
        "Score", "score"
    )
    entry = journal(project).entries[-1]
    assert entry.action == "pause"
    assert [one["name"] for one in entry.evidence["signals"] if one["alarm"]] == [named]
    # A person may go on: what he was told does not pause it again, and what is new would.
    resume_rollout(project, why="the season began", now=START + timedelta(days=12))
    day = 12
    assert _run(project, range(day, day + 2), lambda day: {drifting: 1.0}) != "pause"
    other = CHAMPION if drifting == CHALLENGER else CHALLENGER
    both = {drifting: 1.0, other: 1.0}
    assert _run(project, range(day + 2, day + 8), lambda day: both) == "pause"


def test_no_drift_does_not_pause_it(project: Project) -> None:
    start_rollout(project, plan=PLAN, now=START)
    assert _run(project, range(1, 15), lambda day: {}) != "pause"
    signals = rollout_status(project).row.decision["signals"]
    assert [one["alarm"] for one in signals] == [False, False]
    # Each customer was counted once: 14 days of 150 less those who came again.
    assert "over 1,905 customers" in signals[0]["detail"]
    sizes = [len(str(state)) for state in rollout_status(project).evidence.scores.values()]
    assert max(sizes) < 20_000  # constant: counters, not customers


def test_drift_can_be_shown_only(project: Project) -> None:
    start_rollout(project, plan={**PLAN, "score_drift": "show"}, now=START)
    assert _run(project, range(1, 6), lambda day: {CHALLENGER: 1.0}) != "pause"
    (_, of_v2) = rollout_status(project).row.decision["signals"]
    assert of_v2["detail"].startswith("proven at") and not of_v2["alarm"]


@pytest.mark.parametrize("n_rollouts", [30, pytest.param(400, marks=pytest.mark.long)])
def test_false_pauses_are_within_the_budget_of_all_attempts(n_rollouts: int) -> None:
    """Both models' scores, dependent, of the reference's population, in two attempts."""
    plan = Plan(policy=Policy(terms=TERMS))
    alarms = 0
    edges = tuple(np.linspace(0.1, 0.9, 9).tolist())
    for i in range(n_rollouts):
        rng = np.random.default_rng([11, i])

        def sample(n: int, rng: np.random.Generator = rng) -> tuple[list[float], list[float]]:
            shared, noise = rng.normal(size=n), rng.normal(size=(2, n))
            first, second = (1 / (1 + np.exp(1 - shared - 0.5 * own)) for own in noise)
            return first.tolist(), second.tolist()

        baselines = []
        for deciding, counted in zip(sample(100), sample(400), strict=True):
            score = FeatureBaseline(
                name="(score)", kind="number", edges=edges, planned=(0.0,) * 11, counts=(0,) * 11
            )
            planned = np.array(score.binned(deciding)) / 100
            score = score.model_copy(
                update={"planned": tuple(planned.tolist()), "counts": score.binned(counted)}
            )
            baselines.append(Baseline(features=(score,)))
        alarmed = False
        for attempt in (1, 2):
            alpha = budget(plan, attempt).drift
            tests = [DriftTest(b, seed=i + attempt, alpha=alpha) for b in baselines]
            states = [test.begin() for test in tests]
            for _ in range(8):
                for place, scores in enumerate(sample(100)):
                    counts = count_customers(baselines[place], {}, scores)
                    states[place] = tests[place].look(states[place], counts)
            alarmed |= any(state.alarm is not None for state in states)
        alarms += alarmed
    # A false failure of this test has a probability of 1 in 1,000.
    assert alarms <= binom.ppf(0.999, n_rollouts, plan.alpha_drift)
