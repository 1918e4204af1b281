"""Predictions meet what became true: once, whole cohorts only, the last known outcome."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from churnkit import errors
from churnkit.domain.outcomes import Holdout, Outcome, Treatment
from churnkit.ledger.outcomes import add_holdout, record_outcomes, record_treatments
from churnkit.project import Project
from churnkit.rollout.assignment import bucket
from churnkit.usecases.outcomes.maturing import MaturedPairs, matured_pairs
from tests.outcomes.projects import DAY, MARCH, bare_project, prediction

LATER = MARCH + 60 * DAY


@pytest.fixture
def project(tmp_path: Path, ledger_url: str) -> Iterator[Project]:
    with bare_project(tmp_path, ledger_url) as opened:
        yield opened


def _window(
    customer: str, churned: bool | None, as_of: datetime = MARCH, **more: object
) -> Outcome:
    return Outcome(customer, churned, "test", as_of=as_of, **more)  # type: ignore[arg-type]


def _record(project: Project, *rows: Outcome, now: datetime = LATER) -> object:
    return record_outcomes(project.ledger.engine, rows, now=now)


def _labels(found: MaturedPairs) -> dict[str, bool]:
    return dict(zip(found.prediction_id.tolist(), found.churned.tolist(), strict=True))


def test_a_cohort_waits_until_it_has_matured_even_where_churners_are_known(
    project: Project,
) -> None:
    project.ledger.record_predictions(
        [prediction("a", "anna", MARCH), prediction("b", "bert", MARCH + timedelta(hours=9))]
    )
    _record(project, _window("anna", True, known_at=MARCH + DAY), _window("bert", False))
    early = matured_pairs(project, now=MARCH + 30 * DAY)
    assert len(early) == 0
    # Bert was asked later on that day: anna's row, which has matured, waits for his.
    assert len(matured_pairs(project, now=MARCH + 30 * DAY + timedelta(hours=8))) == 0
    assert _labels(matured_pairs(project, now=LATER)) == {"a": True, "b": False}


def test_a_cohort_waits_for_its_outcomes_and_evidence_waits_with_it(project: Project) -> None:
    days = [MARCH, MARCH + DAY]
    for day, name in zip(days, ("first", "second"), strict=True):
        project.ledger.record_predictions(
            [
                prediction(f"{name}{i}", f"{name}{i}", day, rollout_id="r", variant="champion")
                for i in range(10)
            ]
        )
    _record(project, *(_window(f"second{i}", i == 0, days[1]) for i in range(10)))
    _record(project, *(_window(f"first{i}", True) for i in range(3)))
    # Three churners of ten are known: to use them would be to use labels as they arrive.
    assert len(matured_pairs(project, now=LATER, rollout_id="r")) == 0
    assert len(matured_pairs(project, now=LATER)) == 10
    _record(project, *(_window(f"first{i}", False) for i in range(3, 10)))
    found = matured_pairs(project, now=LATER, rollout_id="r")
    assert len(found) == 20
    assert [cohort.whole for cohort in found.cohorts] == [True, True]


def test_corrections_hold_from_when_they_are_known_and_repeats_change_nothing(
    project: Project,
) -> None:
    project.ledger.record_predictions([prediction("a", "anna", MARCH)])
    first = _record(project, _window("anna", False, known_at=MARCH + 31 * DAY))
    again = _record(project, _window("anna", False, known_at=MARCH + 31 * DAY))
    undated = _record(project, _window("anna", False), now=LATER)
    assert [(r.n_new, r.n_known) for r in (first, again, undated)] == [(1, 0), (0, 1), (0, 1)]
    fixed = _record(project, _window("anna", True), now=LATER + DAY)
    assert (fixed.n_new, fixed.n_corrected) == (1, 1)
    assert _labels(matured_pairs(project, now=LATER)) == {"a": False}
    assert _labels(matured_pairs(project, now=LATER + DAY)) == {"a": True}
    # The same moment, another answer: nobody can say which holds.
    clash = _record(project, _window("anna", False, known_at=LATER + DAY))
    assert (clash.n_new, clash.contradictory) == (0, (0,))
    # The first file again: what it says was known at its moment, and is.
    assert _record(project, _window("anna", False, known_at=MARCH + 31 * DAY)).n_known == 1


def test_observations_decide_the_windows_that_they_reach(project: Project) -> None:
    names = ("left", "stayed", "short", "late", "before", "gone")
    project.ledger.record_predictions([prediction(n, n, MARCH) for n in names])
    watched = {"observed_from": MARCH - DAY, "observed_to": MARCH + 40 * DAY}
    _record(
        project,
        Outcome("left", True, "t", churned_at=MARCH + 10 * DAY, **watched),
        Outcome("stayed", False, "t", **watched),
        Outcome("short", False, "t", observed_from=MARCH, observed_to=MARCH + 29 * DAY),
        Outcome("late", True, "t", churned_at=MARCH + 35 * DAY, **watched),
        Outcome("before", False, "t", observed_from=MARCH + DAY, observed_to=MARCH + 50 * DAY),
        Outcome("gone", True, "t", churned_at=MARCH, **watched),
    )
    settings = project.settings.outcomes.model_copy(update={"complete_share": 0.5})
    project.settings = project.settings.model_copy(update={"outcomes": settings})
    found = matured_pairs(project, now=LATER)
    assert _labels(found) == {"left": True, "stayed": False, "late": False}
    assert found.cohorts[0].n_settled == 4  # 'gone' is settled: he was not to be asked about


def test_pairs_are_what_the_evidence_reads(project: Project) -> None:
    rows = []
    for i, (customer, variant) in enumerate(
        [("anna", "champion"), ("bert", "challenger"), ("anna", "champion")]
    ):
        at = MARCH + i * DAY
        rows.append(prediction(f"p{i}", customer, at, 0.2, rollout_id="r", variant=variant))
        if i < 2:
            rows.append(
                prediction(
                    f"s{i}", customer, at, 0.7, rollout_id="r", variant="shadow",
                    model_version="v2", shadow_of=f"p{i}",
                )
            )  # fmt: skip
    project.ledger.record_predictions(rows)
    _record(
        project,
        *(_window(r.customer_id, True, r.made_at, value=50.0) for r in rows if not r.shadow_of),
    )
    found = matured_pairs(project, now=MARCH + 90 * DAY, rollout_id="r")
    assert found.ordinal.tolist() == [1, 1, 2]
    assert np.isnan(found.shadow_probability[2])
    pairs = found.pairs()
    assert pairs.champion.tolist() == [0.2, 0.7]
    assert pairs.challenger.tolist() == [0.7, 0.2]
    assert pairs.customer_value.tolist() == [50.0, 50.0]
    shadowed = matured_pairs(project, now=MARCH + 90 * DAY, model_version="v2", shadows=True)
    assert shadowed.probability.tolist() == [0.7, 0.7]


def _with_holdout(project: Project, salt: str = "salt", campaign: str = "") -> Holdout:
    holdout = Holdout(
        holdout_id=f"h{campaign}", salt=salt, share=0.3, campaign=campaign,
        valid_from=MARCH - 10 * DAY, valid_until=None,
        created_at=MARCH - 10 * DAY, created_by="me",
    )  # fmt: skip
    add_holdout(project.ledger.engine, holdout)
    return holdout


def test_where_somebody_is_treated_the_holdout_or_the_logged_draw_counts(
    project: Project,
) -> None:
    names = [f"c{i}" for i in range(200)]
    project.ledger.record_predictions([prediction(n, n, MARCH) for n in names])
    _record(project, *(_window(n, False) for n in names))
    assert matured_pairs(project, now=LATER).weight.tolist() == [1.0] * 200
    record_treatments(
        project.ledger.engine,
        [
            Treatment(
                n, n, MARCH + DAY, "call", "spring", "t", 0.75 if i < 120 else 0.95, i % 4 == 0
            )
            for i, n in enumerate(names[:140])
        ],
        now=LATER,
    )
    drawn = matured_pairs(project, now=LATER)
    assert drawn.counting == "propensity"
    by_name = dict(zip(drawn.customer_id.tolist(), drawn.weight.tolist(), strict=True))
    assert by_name["c0"] == 4.0  # drawn with 0.75, left untreated
    assert by_name["c1"] == 0.0  # treated
    assert np.isnan(by_name["c121"])  # treated too surely
    assert np.isnan(by_name["c199"])  # no draw: perhaps left out because of his score
    with pytest.raises(errors.EvidenceInvalid):
        matured_pairs(project, now=LATER, counting="everyone")
    _with_holdout(project)
    held = matured_pairs(project, now=LATER)
    assert held.counting == "holdout"
    members = [bucket(n, salt="salt") < 0.3 for n in held.customer_id]
    assert held.held_out.tolist() == members
    assert (~np.isnan(held.weight)).tolist() == members


def test_a_holdout_that_was_fixed_after_the_prediction_is_no_evidence(project: Project) -> None:
    project.ledger.record_predictions(
        [prediction("a", "anna", MARCH - 20 * DAY), prediction("b", "anna", MARCH)]
    )
    _record(project, _window("anna", False), _window("anna", False, MARCH - 20 * DAY))
    late = {"holdout_id": "all", "share": 1.0, "valid_from": MARCH - 30 * DAY}  # and fixed later
    add_holdout(project.ledger.engine, _with_holdout(project).model_copy(update=late))
    assert matured_pairs(project, now=LATER).held_out.tolist() == [False, True]
