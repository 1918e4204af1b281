"""What the screens Rollout, Features and Experiments decide, without a window."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from churnkit_desktop.backend.experiment_facts import EffectFacts
from churnkit_desktop.backend.feature_facts import Timeline, TimelineFact
from churnkit_desktop.backend.rollout_facts import (
    GateFacts,
    LookFacts,
    PlanFacts,
    RolloutFacts,
    RolloutLine,
)
from churnkit_desktop.screens.experiments.state import Arm, PlanForm, reading, verdict
from churnkit_desktop.screens.features.state import (
    FilterUnreadable,
    added,
    cleaned,
    filter_text,
    find,
    read_filter,
    removed,
    replaced,
    snapped,
    split_at,
    users_of,
)
from churnkit_desktop.screens.rollout.state import (
    Moves,
    StartForm,
    course,
    course_keys,
    outlook,
    stage_position,
    standing,
)
from hypothesis import given
from hypothesis import strategies as st

from churnkit.domain.experiments import ExperimentPlan
from churnkit.features.definitions import Condition
from churnkit.features.toml import features_from_tables

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


# --- rollout ------------------------------------------------------------------------------


def _line(**changes: Any) -> RolloutLine:
    line = RolloutLine(
        rollout_id="r1", champion="v1", challenger="v2", attempt=1, condition="running",
        stage="5 %", share=0.05, revision=3, created_at=NOW, looked_at=None, ended_at=None,
        outcome=None,
    )  # fmt: skip
    return replace(line, **changes)


def _plan() -> PlanFacts:
    return PlanFacts.of(
        {
            "champion": "v1", "challenger": "v2", "attempt": 1, "days_to_mature": 11.0,
            "plan": {
                "stages": [
                    {"name": name, "share": share, "minimum_customers": 10, "minimum_days": 1.0,
                     "minimum_pairs": 0}
                    for name, share in (("shadow", 0.0), ("5 %", 0.05), ("25 %", 0.25))
                ],
                "gates": [{"metric": "profit", "tolerance": 0.5}],
                "guardrails": [{"metric": "brier", "tolerance": 0.0, "action": "abort"}],
                "alpha_promote": 0.05, "alpha_abort": 0.05, "automatic_promotion": True,
                "automatic_abort": True, "outcomes": "everyone",
            },
            "forecast": {"customers": None},
        }
    )  # fmt: skip


def _look(pairs: int, lower: float | None, verdict: str = "wait") -> LookFacts:
    gate = GateFacts(
        "gate", "profit", "live", "promote", "open", 0.5, pairs, 0.2, lower, 3.0 / max(pairs, 1)
    )
    return LookFacts(NOW, pairs, verdict, verdict != "wait", (gate,))


def test_a_course_holds_the_looks_that_know_both_bounds_and_marks_decisions() -> None:
    looks = (_look(0, None, "advance"), _look(10, -9.0), _look(100, -0.4), _look(200, -0.1))
    plan = _plan()
    seen = course(looks, course_keys(plan)[0][0], plan)
    assert (seen.x, seen.lower) == ((10.0, 100.0, 200.0), (-9.0, -0.4, -0.1))
    assert (seen.line, seen.line_text) == (-0.5, "promotes above")
    assert seen.marks == ((0.0, "advance"),)
    low, high = seen.reach
    assert low > -9.0, "the first, wide bounds do not set the scale"
    assert low < -0.5 < high
    brier = course(looks, course_keys(plan)[1][0], plan)
    assert brier.x == () and brier.line_text == "aborts below"


def test_moves_need_a_reason_and_a_rollout_that_runs() -> None:
    assert Moves.of(_line(), "") == Moves(look=True)
    assert Moves.of(_line(), "why") == Moves(pause=True, promote=True, abort=True, look=True)
    paused = Moves.of(_line(condition="paused"), "why")
    assert paused.resume and not paused.pause
    assert Moves.of(_line(outcome="aborted"), "why") == Moves()
    assert Moves.of(None, "why") == Moves()


def test_where_a_rollout_stands_is_said_in_words() -> None:
    facts = RolloutFacts(
        line=_line(), plan=_plan(), stage_since=NOW, pairs=3, waiting_for="", verdict="wait",
        recommended="wait", reason="", labels_needed=120, expected_at=NOW, readings=(), looks=(),
        journal=(),
    )  # fmt: skip
    assert stage_position(facts) == 1
    assert "v2 answers 5 % of the customers" in standing(facts)
    assert "120 more matured pairs" in outlook(facts) and "2026-03-01" in outlook(facts)
    done = replace(facts, line=_line(outcome="promoted", condition="promoted"))
    assert stage_position(done) == 3 and "took over" in standing(done) and outlook(done) == ""


def test_the_start_form_asks_only_for_what_differs() -> None:
    usual = StartForm.of(_plan())
    assert usual.arguments(usual) == {"challenger": "v2"}
    form = replace(usual, expected_gain=0.8, expected_sd=9.0, customers=5_000, why=" better ")
    asked = form.arguments(usual)
    assert asked["plan"] == {
        "gates": [{"metric": "profit", "tolerance": 0.5, "expected_gain": 0.8, "expected_sd": 9.0}]
    }
    assert (asked["customers"], asked["why"]) == (5_000, "better")
    assert StartForm.from_kept({**form.kept(), "of_another_version": 1}) == form


# --- features -----------------------------------------------------------------------------

COUNT = {"kind": "event", "name": "n", "aggregate": "count", "window_days": 30}
RATIO = {"kind": "ratio", "name": "share", "numerator": "n", "denominator": "all"}
ALL = {"kind": "event", "name": "all", "aggregate": "count"}


def test_a_new_name_is_followed_by_who_is_made_of_it() -> None:
    edited = replaced((COUNT, ALL, RATIO), "n", {**COUNT, "name": "lately"})
    share = find(edited, "share")
    assert share is not None and share["numerator"] == "lately"
    assert users_of(edited, "lately") == ("share",)
    assert users_of(removed(edited, "share"), "lately") == ()
    more, name = added(edited, near="lately")
    assert [one["name"] for one in more].index(name) == 1


def test_what_is_entered_becomes_a_definition_that_the_library_reads() -> None:
    entered = {
        "name": "spent", "aggregate": "sum", "column": "price", "event_types": ["order"],
        "where": read_filter("price >= 10; channel in web, shop"), "window_days": None,
        "numerator": "n", "figure": "periods",
    }  # fmt: skip
    definition = cleaned("event", entered)
    assert "numerator" not in definition and "window_days" not in definition
    (feature,) = features_from_tables([definition]).features
    assert feature.where[1] == Condition(column="channel", op="in", value=("web", "shop"))  # type: ignore[union-attr]
    assert "column" not in cleaned("event", {**entered, "aggregate": "count"})


words = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
conditions = st.one_of(
    st.fixed_dictionaries(
        {"column": words, "op": st.sampled_from(["=", "!=", "<", ">="]),
         "value": st.integers(-99, 99).map(float)}
    ),
    st.fixed_dictionaries(
        {"column": words, "op": st.just("in"), "value": st.lists(words, min_size=1, max_size=3)}
    ),
    st.fixed_dictionaries({"column": words, "op": st.sampled_from(["missing", "present"])}),
)  # fmt: skip


@given(st.lists(conditions, max_size=3))
def test_a_filter_that_is_written_is_read_again(where: list[dict[str, Any]]) -> None:
    assert read_filter(filter_text(where)) == where


def test_what_is_no_filter_is_refused_in_words() -> None:
    with pytest.raises(FilterUnreadable, match="no condition"):
        read_filter("nonsense")


def test_a_fact_counts_from_when_it_was_known() -> None:
    late = TimelineFact("event", NOW, NOW + timedelta(days=2), "order", "price 3")
    timeline = Timeline("c", "Europe/Berlin", 1, NOW, NOW + timedelta(days=9), (late,))
    assert split_at(timeline, NOW + timedelta(days=1)).known == ()
    ((_, _, text),) = split_at(timeline, NOW + timedelta(days=2)).known
    assert "known 2026-03-03" in text


def test_a_dragged_date_is_a_midnight_of_the_project_zone_near_the_log() -> None:
    timeline = Timeline("c", "Europe/Berlin", 0, NOW, NOW + timedelta(days=9), ())
    moment = snapped(NOW.timestamp() + 86_400 * 3.4, timeline)
    assert (moment.hour, moment.minute, str(moment.tzinfo)) == (0, 0, "Europe/Berlin")
    far = snapped(NOW.timestamp() + 86_400 * 900, timeline)
    assert far <= NOW + timedelta(days=11)


# --- experiments --------------------------------------------------------------------------


def test_a_plan_of_the_form_is_one_that_the_library_takes() -> None:
    form = PlanForm(outcomes=("retention", "revenue"), revenue_cap=100.0).with_more()
    assert form.problem == "" and abs(form.total - 1) < 1e-9
    plan = ExperimentPlan.model_validate(form.plan())
    assert [arm.name for arm in plan.arms] == ["control", "offer", "offer 2"]
    assert plan.control.offer == ""
    models = PlanForm().of_kind("models", "v1", "v2")
    assert ExperimentPlan.model_validate(models.plan()).arms[1].model == "v2"
    assert PlanForm.from_kept(form.kept()) == form


def test_of_two_arms_the_other_weight_follows_and_mistakes_are_named() -> None:
    form = PlanForm().with_arm(1, weight=0.2)
    assert [arm.weight for arm in form.arms] == [0.8, 0.2]
    assert "add up" in replace(form, arms=(Arm("a", 0.5), Arm("b", 0.4))).problem
    assert "name" in form.with_arm(1, name="control").problem
    assert "Revenue" in replace(form, outcomes=("revenue",)).problem
    assert "outcome" in replace(form, outcomes=()).problem


def test_a_reading_is_drawn_in_points_around_its_last_bounds() -> None:
    path = tuple(
        (NOW.date() + timedelta(days=i), 10 * i, 0.02, 0.02 - 1 / (i + 1), 0.02 + 1 / (i + 1))
        for i in range(12)
    )
    effect = EffectFacts("call", "control", "retention", 110, 0.02, -0.06, 0.1, "open", 0.05, path)
    drawn = reading(effect)
    assert drawn.estimate[0] == pytest.approx(2.0)
    low, high = drawn.reach
    assert low < 0 < high < 100
    assert "not decided" in verdict(effect)
    assert "does better" in verdict(replace(effect, state="better"))
