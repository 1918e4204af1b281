"""The controller and the plan: laws of what may be decided when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.domain.campaign import ContactTerms
from churnkit.errors import EvidenceInvalid, PlanInvalid, RolloutOver, StepNotAllowed
from churnkit.rollout.controller import Decision, Evidence, Signal, decide
from churnkit.rollout.evidence import StreamState, absorb
from churnkit.rollout.forecast import Supply, expected_supply, labels_needed
from churnkit.rollout.mixture import MeanSequence, MeanState
from churnkit.rollout.pairs import make_pairs
from churnkit.rollout.plan import (
    Gate,
    Guardrail,
    LatencyGuardrail,
    Plan,
    Policy,
    attempt_share,
    budget,
    read_plan,
)
from churnkit.rollout.position import (
    Condition,
    Position,
    abort,
    advance,
    pause,
    promote,
    resume,
    start,
)
from churnkit.rollout.quantile import QuantileState
from churnkit.rollout.ratio import RatioEvidence
from churnkit.rollout.replay import applied
from tests.rollout.simulations import TERMS

NOW = datetime(2026, 5, 1, tzinfo=UTC)
POLICY = Policy(terms=TERMS)
PLAN = Plan(
    policy=POLICY,
    gates=(Gate(metric="profit", tolerance=0.5), Gate(metric="brier")),
    latency=LatencyGuardrail(at_most_ms=50, action="pause"),
)
METRICS = ("brier", "log_loss", "profit")


def _mean(metric: str, gain: float, n: int, plan: Plan = PLAN) -> MeanState:
    """Pairs whose gains scatter by half of the limit around a mean (as part of the limit)."""
    limit = plan.limit(metric)  # type: ignore[arg-type]
    sequence = MeanSequence(limit=limit)
    half = 0.2
    sequence.update(np.resize([gain + half, gain - half], n).clip(-1, 1) * limit)
    return sequence.state()


def _stream(gains: dict[str, tuple[float, int]], plan: Plan = PLAN) -> StreamState:
    means = {metric: _mean(metric, *seen, plan=plan) for metric, seen in gains.items()}
    return StreamState(means=means, n=max((n for _, n in gains.values()), default=0))


def _evidence(
    *,
    good: float = 0.1,
    n: int = 4_000,
    stage: int = 3,
    plan: Plan = PLAN,
    age_days: float = 30,
    customers: int = 10_000,
    **rest: object,
) -> Evidence:
    """Old enough, with enough customers, and a gain of ``good`` in all metrics."""
    since = NOW - timedelta(days=age_days)
    fields: dict[str, object] = {
        "position": Position(started_at=since, stage_since=since, stage=stage),
        "live": _stream(dict.fromkeys(METRICS, (good, n)), plan),
        "customers_in_stage": customers,
    }
    return Evidence.model_validate(fields | rest)


def _built(
    stage: int,
    condition: Condition,
    attempt: int,
    gains: dict[str, tuple[float, int]],
    errors: tuple[float, int],
    latency: float,
    ratio: tuple[int, int],
    alarm: bool,
    age: float,
    customers: int,
) -> Evidence:
    since = NOW - timedelta(days=age)
    return Evidence(
        position=Position(
            started_at=since, stage_since=since, stage=stage, attempt=attempt, condition=condition
        ),
        live=_stream(gains),
        errors=_mean("error_rate", *errors),
        latency=QuantileState(q=0.5).add([latency] * 40),
        ratio=RatioEvidence().count((0.25, 0.75), ratio),
        signals=(Signal(name="drift", alarm=alarm),),
        customers_in_stage=customers,
    )


sequences = st.tuples(st.floats(-0.5, 0.5), st.sampled_from([0, 1, 30, 300, 5_000]))
good = st.just(dict.fromkeys(METRICS, (0.1, 5_000)))
places = {
    "stage": st.sampled_from([3, 0, 1, 2]),
    "attempt": st.integers(1, 4),
    "age": st.sampled_from([10.0, 1.0, 0.9, 0.0]),
    "customers": st.sampled_from([100_000, 100, 0]),
}
wild = st.builds(
    _built,
    condition=st.sampled_from(["running", "running", "paused", "aborted", "promoted"]),
    gains=good | st.fixed_dictionaries(dict.fromkeys(METRICS, sequences)),
    errors=st.just((0.0, 30)) | sequences,
    latency=st.sampled_from([1.0, 49.0, 80.0]),
    ratio=st.sampled_from([(0, 0), (25, 75), (110, 290), (200, 200)]),
    alarm=st.booleans(),
    **places,
)
calm = st.builds(
    _built,
    condition=st.just("running"),
    gains=good,
    errors=st.just((0.0, 30)),
    latency=st.floats(1, 49),
    ratio=st.tuples(st.integers(20, 30), st.integers(70, 80)),
    alarm=st.just(False),
    **places,
)
evidences = calm | wild


def test_laws_of_every_decision() -> None:
    seen: set[tuple[str, bool]] = set()

    @settings(max_examples=200)
    @given(evidences)
    def hold(evidence: Evidence) -> None:
        seen.add(_laws_hold(evidence))

    hold()
    # Every kind of decision was among the examples.
    assert {verdict for verdict, changes in seen if changes} == {
        "pause",
        "advance",
        "promote",
        "abort",
    }
    assert ("wait", False) in seen and ("pause", False) in seen


def _laws_hold(evidence: Evidence) -> tuple[str, bool]:
    decision = decide(PLAN, evidence, NOW)
    position = evidence.position
    moved = applied(PLAN, position, decision)
    bounds = {(each.role, each.metric): each for each in decision.readings}

    # The same question has the same answer, and a decision survives JSON.
    assert decide(PLAN, evidence, NOW) == decision
    assert Decision.model_validate_json(decision.model_dump_json()) == decision
    # What is over stays over.
    if position.over:
        assert not decision.changes and moved == position
        assert decision.verdict == {"aborted": "abort", "promoted": "promote"}[position.condition]
        return decision.verdict, decision.changes
    # No stage is skipped, and never goes beyond what an unproven model may get.
    assert moved.stage in (position.stage, position.stage + 1) or decision.verdict == "promote"
    assert moved.share(PLAN) == decision.next_share
    assert decision.next_share <= PLAN.max_unproven_share or decision.verdict == "promote"
    if decision.verdict in ("advance", "promote"):
        assert position.condition == "running"
        assert not any(each.state == "breached" for each in decision.readings)
        assert not any(each.breached for each in decision.together)
        assert not any(signal.alarm for signal in evidence.signals)
        stage = PLAN.stages[position.stage]
        assert evidence.customers_in_stage >= stage.minimum_customers
        assert position.stage_since + timedelta(days=stage.minimum_days) <= NOW
    # Promotion only from the last stage, and only above every gate.
    if decision.verdict == "promote":
        assert position.stage == len(PLAN.stages) - 1
        for gate in PLAN.gates:
            assert bounds["gate", gate.metric].lower > -gate.tolerance - 1e-9
    # Abort only by a guardrail that is breached, with the bound that shows it.
    breached = [
        rule.metric
        for rule in PLAN.guardrails
        if bounds["guardrail", rule.metric].state == "breached"
    ]
    joint = any(each.breached for each in decision.together)
    assert (decision.verdict == "abort") == (bool(breached) or joint)
    # Averaging the capitals never misses what the split levels find.
    assert joint or not set(breached) & set(METRICS)
    for metric in breached:
        rule = next(rule for rule in PLAN.guardrails if rule.metric == metric)
        assert bounds["guardrail", metric].upper < -rule.tolerance + 1e-9
    # Applying it twice is applying it once: the second look finds nothing more to do, or waits.
    if decision.verdict in ("abort", "promote", "pause"):
        again = decide(PLAN, evidence.model_copy(update={"position": moved}), NOW)
        assert not again.changes and again.verdict == decision.verdict
    return decision.verdict, decision.changes


@given(st.integers(1, 50))
def test_attempts_share_one_budget(k: int) -> None:
    assert sum(attempt_share(each) for each in range(1, k + 1)) < 1
    assert sum(attempt_share(each) for each in range(1, 20_000)) == pytest.approx(1, abs=1e-4)
    split = budget(PLAN, k)
    assert sum(split.guardrails.values()) == pytest.approx(PLAN.alpha_abort * attempt_share(k))
    assert split.gate == PLAN.alpha_promote * attempt_share(k)
    assert split.latency == pytest.approx(PLAN.alpha_pause * attempt_share(k))
    with_history = PLAN.model_copy(update={"accept_history": True})
    halved = budget(with_history, k)
    assert halved.gate == split.gate / 2
    assert halved.guardrails["brier"] == split.guardrails["brier"] / 2
    assert halved.guardrails["error_rate"] == split.guardrails["error_rate"]


def test_a_good_challenger_walks_through_all_stages() -> None:
    position, seen = start(NOW), []
    for day in range(6):
        at = NOW + timedelta(days=2 * day)
        evidence = _evidence().model_copy(update={"position": position})
        decision = decide(PLAN, evidence, at)
        seen.append(decision.verdict)
        position = applied(PLAN, position, decision)
    assert seen == ["wait", "advance", "advance", "advance", "promote", "promote"]
    assert position.condition == "promoted" and position.share(PLAN) == 1


def test_a_stage_needs_its_time_and_its_customers() -> None:
    for few in (_evidence(stage=1, customers=3), _evidence(stage=1, age_days=0.2)):
        decision = decide(PLAN, few, NOW)
        assert decision.verdict == "wait" and "stage '1 %' needs" in decision.reason
    stage = PLAN.stages[1].model_copy(update={"minimum_pairs": 5_000})
    plan = PLAN.model_copy(update={"stages": (PLAN.stages[0], stage, *PLAN.stages[2:])})
    assert "1,000 more matured pairs" in decide(plan, _evidence(stage=1), NOW).reason


def test_harm_aborts_in_any_stage_and_while_paused() -> None:
    for stage in range(4):
        decision = decide(PLAN, _evidence(good=-0.1, stage=stage, customers=0), NOW)
        assert decision.verdict == "abort" and decision.next_share == 0
    harm = _evidence(good=-0.1)
    paused = harm.model_copy(update={"position": pause(harm.position)})
    assert decide(PLAN, paused, NOW).verdict == "abort"


def test_harm_in_several_metrics_aborts_before_any_of_them_alone() -> None:
    for n in range(10, 400):
        decision = decide(PLAN, _evidence(live=_stream(dict.fromkeys(METRICS, (-0.1, n)))), NOW)
        if decision.verdict == "abort":
            break
    assert decision.reason.startswith("the guardrails together show harm")
    assert not any(each.state == "breached" for each in decision.readings)
    assert decision.together[0].log_capital >= -np.log(decision.together[0].alpha)
    alone = _stream({"brier": (-0.1, n), "log_loss": (0.1, n), "profit": (0.1, n)})
    assert decide(PLAN, _evidence(live=alone), NOW).verdict != "abort"
    split = budget(PLAN, 1)
    assert decision.together[0].alpha == pytest.approx(
        sum(split.guardrails[metric] for metric in METRICS)
    )


def test_label_free_signals_pause_and_do_no_more() -> None:
    alarm = (Signal(name="drift", alarm=True, detail="PSI 0.4 of tenure"),)
    decision = decide(PLAN, _evidence(signals=alarm), NOW)
    assert decision.verdict == "pause" and "PSI 0.4 of tenure" in decision.reason
    slow = QuantileState(q=0.5).add([80.0] * 60)
    assert decide(PLAN, _evidence(latency=slow), NOW).verdict == "pause"
    skewed = RatioEvidence().count((0.25, 0.75), (600, 900))
    assert "shares of customers" in decide(PLAN, _evidence(ratio=skewed), NOW).reason


def test_latency_aborts_only_with_a_guarantee() -> None:
    slow, ok = (QuantileState(q=0.5).add([ms] * 60) for ms in (80.0, 20.0))
    sure = PLAN.model_copy(update={"latency": LatencyGuardrail(at_most_ms=50, action="abort")})
    decision = decide(sure, _evidence(latency=slow), NOW)
    assert decision.verdict == "abort" and "above 50 ms" in decision.reason
    assert decide(sure, _evidence(latency=ok), NOW).verdict == "promote"
    plain = PLAN.model_copy(update={"latency": LatencyGuardrail(at_most_ms=50, guaranteed=False)})
    decision = decide(plain, _evidence(latency=slow), NOW)
    assert decision.verdict == "pause" and "above 50 ms" in decision.reason


def test_a_position_of_another_plan_is_refused() -> None:
    with pytest.raises(EvidenceInvalid, match="stage 8"):
        decide(PLAN, _evidence(stage=7), NOW)


def test_a_person_decides_where_the_plan_says_so() -> None:
    manual = PLAN.model_copy(update={"automatic_promotion": False, "automatic_abort": False})
    ready = decide(manual, _evidence(), NOW)
    assert (ready.verdict, ready.recommended, ready.changes) == ("wait", "promote", False)
    harm = decide(manual, _evidence(good=-0.1), NOW)
    assert (harm.verdict, harm.recommended, harm.changes) == ("pause", "abort", True)


def test_exact_ties_pass_a_non_inferiority_gate_and_no_other() -> None:
    ties = MeanSequence(limit=PLAN.limit("profit"))
    ties.update(np.zeros(3_000))
    brier = MeanSequence()
    brier.update(np.zeros(3_000))
    live = StreamState(means={"profit": ties.state(), "brier": brier.state()}, n=3_000)
    decision = decide(PLAN, _evidence(live=live), NOW)
    states = {(each.role, each.metric): each.state for each in decision.readings}
    assert states["gate", "profit"] == "proven" and states["gate", "brier"] == "open"
    assert decision.verdict == "wait" and decision.labels_needed is None
    assert not any(state == "breached" for state in states.values())


def test_history_proves_only_where_the_plan_accepts_it() -> None:
    old = _stream(dict.fromkeys(METRICS, (0.1, 4_000)))
    fresh = _evidence(live=StreamState(), history=old)
    assert decide(PLAN, fresh, NOW).verdict == "wait"
    accepting = PLAN.model_copy(update={"accept_history": True})
    assert decide(accepting, fresh, NOW).verdict == "promote"
    harm = fresh.model_copy(update={"history": _stream({"brier": (-0.1, 4_000)})})
    assert decide(accepting, harm, NOW).verdict == "abort"
    assert decide(PLAN, harm, NOW).verdict == "wait"


def test_profit_is_shown_over_a_band_of_success_rates() -> None:
    """Where the gain comes from leavers kept, more of them kept is more gain."""
    plan = PLAN.model_copy(
        update={"policy": POLICY.model_copy(update={"success_rate_band": (0.2, 0.5)})}
    )
    pairs = make_pairs(
        customer_id=[f"C{number}" for number in range(500)],
        predicted_at=np.datetime64("2026-01-01", "us") + np.arange(500),
        champion=np.full(500, 0.05),
        challenger=np.full(500, 0.9),
        left=np.arange(500) % 2 == 0,
    )
    live = absorb(plan, StreamState(), pairs)
    decision = decide(plan, _evidence(live=live), NOW)
    reading = next(each for each in decision.readings if each.band)
    low, high = reading.band
    assert (reading.metric, low.success_rate, high.success_rate) == ("profit", 0.2, 0.5)
    assert reading.mean is not None and low.mean < reading.mean < high.mean
    assert low.mean == pytest.approx((0.2 * 190 - 1 - 11) / 2)
    assert high.lower < high.mean < high.upper


def test_waiting_says_how_many_labels_and_when() -> None:
    supply = Supply(points=((NOW, 300), (NOW + timedelta(days=100), 10_300)))
    decision = decide(PLAN, _evidence(good=0.012, n=300, supply=supply), NOW)
    assert decision.verdict == "wait" and decision.labels_needed is not None
    assert 500 < decision.labels_needed < 9_000
    assert f"{decision.labels_needed:,} more matured pairs" in decision.reason
    expected = NOW + timedelta(days=100) * decision.labels_needed / 10_000
    assert decision.expected_at is not None
    assert abs(decision.expected_at - expected) < timedelta(hours=1)
    short = Supply(points=((NOW, 300), (NOW + timedelta(days=9), 400)))
    assert decide(PLAN, _evidence(good=0.012, n=300, supply=short), NOW).expected_at is None


def test_a_plan_forecasts_before_the_first_label() -> None:
    plan = PLAN.model_copy(
        update={"gates": (Gate(metric="profit", expected_gain=0.8, expected_sd=10.0),)}
    )
    decision = decide(plan, _evidence(live=StreamState(), stage=0, age_days=0), NOW)
    assert decision.labels_needed is not None and 1_000 < decision.labels_needed < 4_000
    bare = PLAN.model_copy(update={"gates": (Gate(metric="profit"),)})
    assert decide(bare, _evidence(live=StreamState()), NOW).labels_needed is None


def test_forecast_is_near_what_happens() -> None:
    """Half and twice the median of simulated verdicts enclose the forecast."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(100):
        sequence, x = MeanSequence(), rng.normal(0.02, 0.15, 4_000).clip(-1, 1)
        for chunk in np.split(x, 80):
            sequence.update(chunk)
            if sequence.log_evidence(0, side="above", bets=PLAN.gate_bets) >= np.log(20):
                break
        found.append(sequence.n)
    said = labels_needed(
        MeanSequence(),
        against=0,
        side="above",
        alpha=0.05,
        bets=PLAN.gate_bets,
        expected=(0.02, 0.15),
    )
    assert said is not None and np.median(found) / 2 < said < np.median(found) * 2


def test_supply_saturates_at_the_base() -> None:
    supply = expected_supply(
        start=NOW, customers=1_000, predictions_per_day=100, days_to_mature=30, counted_share=0.5
    )
    counts = [count for _, count in supply.points]
    assert counts == sorted(counts) and counts[0] == 0 and supply.reachable <= 500
    assert supply.date_of(501) is None
    at = supply.date_of(316)  # 1 - exp(-1) of 500 after ten days, plus maturing
    assert at is not None and abs((at - NOW).days - 40) <= 1
    assert Supply(points=()).reachable == 0


def test_moves_are_idempotent_and_an_abort_is_final() -> None:
    position = start(NOW)
    for move in (pause, resume, abort):
        assert move(move(position)) == move(position)
    over = abort(position)
    for forbidden in (
        lambda: resume(over),
        lambda: pause(over),
        lambda: advance(over, PLAN, at=NOW),
        lambda: promote(over, PLAN, at=NOW),
    ):
        with pytest.raises(RolloutOver):
            forbidden()
    done = promote(position, PLAN, at=NOW)
    assert promote(done, PLAN, at=NOW + timedelta(days=1)) == done
    with pytest.raises(RolloutOver):
        abort(done)
    last = position.model_copy(update={"stage": 3})
    with pytest.raises(StepNotAllowed, match="promotion"):
        advance(last, PLAN, at=NOW)
    with pytest.raises(StepNotAllowed, match="paused"):
        advance(pause(position), PLAN, at=NOW)


def _changed(**values: object) -> dict[str, object]:
    return Plan(policy=POLICY).model_dump(mode="json") | values


@pytest.mark.parametrize(
    "values, says",
    [
        (_changed(gates=[{"metric": "brier"}]), "gate on profit"),
        (_changed(max_unproven_share=0.1), "more than max_unproven_share"),
        (_changed(stages=[{"name": "a", "share": 0.1}]), "must be shadow"),
        (_changed(stages=[{"name": "a", "share": 0}, {"name": "b", "share": 0}]), "must rise"),
        (_changed(stages=[{"name": "a", "share": 0}, {"name": "a", "share": 0.1}]), "same name"),
        (_changed(gates=[{"metric": "profit"}, {"metric": "profit"}]), "same metric"),
        (_changed(guardrails=[{"metric": "brier", "tolerance": 1.0}]), "allows everything"),
        (_changed(latency={"at_most_ms": 5, "guaranteed": False, "action": "abort"}), "may pause"),
        (_changed(alpha_promote=0), "greater than 0"),
        (_changed(colour="red"), "extra inputs"),
    ],
)
def test_plans_that_cannot_be_are_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(PlanInvalid, match=says):
        read_plan(values)


def test_plan_survives_json_and_knows_its_limits() -> None:
    plan = Plan(policy=POLICY, outcomes="propensity", smallest_propensity=0.2)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    assert read_plan(plan.model_dump(mode="json")) == plan
    assert plan.limit("brier") == 5 and plan.limit("error_rate") == 1
    assert plan.limit("profit") == pytest.approx(5 * TERMS.leaver)
    never = ContactTerms(customer_value=1, contact_cost=2, offer_cost=0.5, success_rate=0.5)
    assert Policy(terms=never).thresholds[0] > 1


def test_error_rate_gate_reads_the_operational_evidence() -> None:
    plan = PLAN.model_copy(
        update={
            "gates": (
                Gate(metric="profit", tolerance=0.5),
                Gate(metric="error_rate", tolerance=0.01),
            ),
            "guardrails": (Guardrail(metric="error_rate", tolerance=0.01),),
        }
    )
    equal = MeanSequence()
    equal.update(np.zeros(5_000))
    decision = decide(plan, _evidence(errors=equal.state()), NOW)
    assert decision.verdict == "promote"
    failing = MeanSequence()
    failing.update(-np.ones(50))
    decision = decide(plan, _evidence(errors=failing.state()), NOW)
    assert decision.verdict == "abort" and "error rate" in decision.reason
