"""Alerts say what, since when and how bad; they ask for a pause at most, and do not nag."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.domain.evaluation import Estimate
from churnkit.monitoring.alerts import (
    SEVERITIES,
    Alert,
    AlertRules,
    Request,
    concept_drift_alerts,
    drift_alerts,
    label_free_alerts,
    quality_alerts,
)
from churnkit.monitoring.dispatch import DispatchPolicy, History, dispatch
from churnkit.monitoring.drift import DriftTest
from churnkit.monitoring.label_free import beside_the_truth, estimate_without_labels
from churnkit.monitoring.performance import Matured, matured_quality
from churnkit.settings.money import Money
from tests.monitoring.streams import Change, Company

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = AlertRules()


def _alert(subject: str, severity: str = "warning") -> Alert:
    return Alert(
        rule="drift",
        subject=subject,
        severity=severity,  # type: ignore[arg-type]  # one of three words
        what="x",
        since=None,
        evidence={},
    )


def test_monitoring_has_no_word_for_abort_or_promote() -> None:
    assert set(get_args(Request)) == {"tell", "pause"}
    for word in ("abort", "promote", "rollback"):
        with pytest.raises(pydantic.ValidationError):
            Alert.model_validate({**_alert("a").model_dump(), "request": word})


def test_proven_drift_is_told_with_what_moved_and_since_when() -> None:
    company = Company(21)
    baseline = company.baseline(5_000)
    test = DriftTest(baseline, seed=1)
    state = test.begin(NOON)
    assert drift_alerts(test.report(state), version="v3", rules=RULES) == ()
    for hour in range(1, 13):
        change = Change(missing=0.4) if hour > 6 else Change()
        state = test.look(state, company.counts(baseline, 500, change), at=NOON + hour * HOUR)
    (alert,) = drift_alerts(test.report(state), version="v3", rules=RULES)
    assert alert.subject == "v3, number0"
    assert alert.severity == "critical"
    assert alert.request == "pause"
    assert "'missing' went from 2" in alert.what
    assert alert.since is not None
    assert NOON + 4 * HOUR <= alert.since <= NOON + 8 * HOUR
    assert alert.evidence["psi"] > 0.25
    assert 0 < alert.evidence["psi_overall_low"] < alert.evidence["psi_overall_high"]


def test_proven_but_small_drift_is_information() -> None:
    company = Company(22)
    baseline = company.baseline(20_000)
    test = DriftTest(baseline, seed=1)
    state = test.begin()
    for _ in range(8):
        state = test.look(state, company.counts(baseline, 5_000, Change(location=0.12)))
    alerts = drift_alerts(test.report(state), version="v3", rules=RULES)
    assert alerts
    assert {(a.severity, a.request) for a in alerts} == {("info", "tell")}


def _quality(p: np.ndarray, left: np.ndarray) -> tuple[object, ...]:  # type: ignore[type-arg]  # test
    n = len(p)
    cohort = Matured(["v3"] * n, ["2026-02"] * n, [str(i) for i in range(n)], p, left)
    return matured_quality(cohort, money=Money(), rounds=100)


def test_decay_is_told_and_sound_months_are_not() -> None:
    """A model that lost its calibration; and 25 sound months with five figures each.

    One-sided at 3.5 standard errors a figure alarms with probability 2e-4 if its interval is
    normal: 125 of them expect 0.03 alarms. More than 1 have probability below 0.001.
    """
    rng = np.random.default_rng(3)
    p = rng.beta(1, 3, 3_000)
    whole = _quality(p, rng.random(3_000) < p)[0]
    promised = {"v3": whole.metrics}  # type: ignore[attr-defined]  # a Quality
    left = rng.random(3_000) < np.clip(0.6 - p, 0.05, 0.95)
    alerts = quality_alerts(_quality(p, left), promised=promised, rules=RULES)  # type: ignore[arg-type]  # Quality
    assert {"v3, roc_auc", "v3, brier", "v3, calibration_gap"} <= {a.subject for a in alerts}
    worst = next(a for a in alerts if a.subject == "v3, roc_auc")
    assert worst.severity == "critical"
    assert "in 2026-02 is 0." in worst.what
    assert "was promised" in worst.what
    false_alarms = 0
    for _ in range(25):
        p = rng.beta(1, 3, 1_000)
        sound = _quality(p, rng.random(1_000) < p)
        false_alarms += len(quality_alerts(sound, promised=promised, rules=RULES))  # type: ignore[arg-type]  # Quality
    assert false_alarms <= 1


def test_only_the_newest_month_of_each_version_speaks() -> None:
    rng = np.random.default_rng(4)
    p = rng.beta(1, 3, 4_000)
    bad = rng.random(4_000) < np.clip(0.6 - p, 0.05, 0.95)
    good = rng.random(4_000) < p
    early = np.arange(4_000) < 2_000
    months = np.where(early, "2026-01", "2026-02").tolist()
    ids = [str(i) for i in range(4_000)]
    promised = {"v3": _quality(p, good)[0].metrics}  # type: ignore[attr-defined]  # a Quality
    for left, expected in ((np.where(early, bad, good), False), (np.where(early, good, bad), True)):
        told = matured_quality(
            Matured(["v3"] * 4_000, months, ids, p, left), money=Money(), rounds=60
        )
        assert bool(quality_alerts(told, promised=promised, rules=RULES)) is expected


def test_decay_is_dated_to_its_first_month() -> None:
    rng = np.random.default_rng(14)
    p = rng.beta(1, 3, 4_000)
    good = rng.random(4_000) < p
    bad = rng.random(4_000) < np.clip(0.6 - p, 0.05, 0.95)
    number = np.arange(4_000) // 1_000
    months = np.array(["2025-11", "2025-12", "2026-01", "2026-02"])[number].tolist()
    ids = [str(i) for i in range(4_000)]
    left = np.where((number == 0) | (number >= 2), bad, good)
    told = matured_quality(Matured(["v3"] * 4_000, months, ids, p, left), money=Money(), rounds=60)
    alerts = quality_alerts(
        told,
        promised={"v3": _quality(p, good)[0].metrics},  # type: ignore[attr-defined]  # a Quality
        rules=RULES,
    )
    found = {a.subject: a for a in alerts}["v3, roc_auc"]
    assert found.since == datetime(2026, 1, 1, tzinfo=UTC)
    assert "in 2026-02" in found.what


def test_scores_alone_and_their_failure_are_told() -> None:
    rng = np.random.default_rng(5)
    p = rng.beta(1, 3, 4_000)
    left = rng.random(4_000) < p
    promised = _quality(p, left)[0].metrics  # type: ignore[attr-defined]  # a Quality
    narrow = estimate_without_labels(
        0.25 + 0.1 * p, money=Money(), matured_p=p, matured_left=left, rounds=100
    )
    worse = label_free_alerts(narrow, version="v3", promised=promised, rules=RULES)
    assert "v3, roc_auc" in {a.subject for a in worse}
    assert "by the scores alone" in worse[0].what
    usual = estimate_without_labels(p, money=Money(), matured_p=p, matured_left=left, rounds=100)
    assert label_free_alerts(usual, version="v3", promised=promised, rules=RULES) == ()
    changed = _quality(p, rng.random(4_000) < np.clip(0.6 - p, 0.05, 0.95))[0].metrics  # type: ignore[attr-defined]  # a Quality
    for realised, expected in ((promised, False), (changed, True)):
        found = concept_drift_alerts(beside_the_truth(usual, realised), version="v3", rules=RULES)
        assert bool(found) is expected
        assert all("mean something else" in a.what for a in found)


def test_a_perfect_promise_divides_by_nothing() -> None:
    exact = Estimate(value=0.5, low=0.5, high=0.5)
    rng = np.random.default_rng(6)
    p = rng.beta(1, 3, 500)
    told = _quality(p, rng.random(500) < p)
    quality_alerts(told, promised={"v3": {"roc_auc": exact}}, rules=RULES)  # type: ignore[arg-type]  # Quality


def test_an_alert_is_sent_once_then_when_worse_then_as_a_reminder() -> None:
    policy = DispatchPolicy()
    first = dispatch([_alert("a")], History(), now=NOON, policy=policy)
    assert [a.subject for a in first.send] == ["a"]
    again = dispatch([_alert("a")], first.history, now=NOON + HOUR, policy=policy)
    assert again.send == ()
    assert [held.why for held in again.held] == ["known"]
    worse = dispatch([_alert("a", "critical")], again.history, now=NOON + 2 * HOUR, policy=policy)
    assert [a.severity for a in worse.send] == ["critical"]
    # Better and worse again within the week is the same story.
    calm = dispatch([_alert("a")], worse.history, now=NOON + 3 * HOUR, policy=policy)
    back = dispatch([_alert("a", "critical")], calm.history, now=NOON + 4 * HOUR, policy=policy)
    assert calm.send == back.send == ()
    week = NOON + timedelta(days=7, hours=2)
    assert dispatch([_alert("a")], back.history, now=week, policy=policy).send


def test_an_alert_ends_only_after_it_stayed_away() -> None:
    policy = DispatchPolicy(settle=24 * HOUR)
    sent = dispatch([_alert("a")], History(), now=NOON, policy=policy)
    away = dispatch([], sent.history, now=NOON + 5 * HOUR, policy=policy)
    assert away.ended == ()
    flap = dispatch([_alert("a")], away.history, now=NOON + 6 * HOUR, policy=policy)
    assert flap.send == ()
    gone = dispatch([], flap.history, now=NOON + 30 * HOUR, policy=policy)
    assert gone.ended == ("drift: a",)
    assert gone.history.known == ()
    assert dispatch([_alert("a")], gone.history, now=NOON + 31 * HOUR, policy=policy).send


def test_the_gravest_leave_first_and_the_rest_later() -> None:
    policy = DispatchPolicy(most=2)
    many = [_alert("a", "info"), _alert("b"), _alert("c", "critical"), _alert("d")]
    first = dispatch(many, History(), now=NOON, policy=policy)
    assert [a.subject for a in first.send] == ["c", "b"]
    assert {(h.alert.subject, h.why) for h in first.held} == {("d", "too_many"), ("a", "too_many")}
    soon = dispatch(many, first.history, now=NOON + HOUR / 2, policy=policy)
    assert soon.send == ()
    later = dispatch(many, soon.history, now=NOON + HOUR, policy=policy)
    assert [a.subject for a in later.send] == ["d", "a"]
    assert later.history.known


@given(
    st.lists(
        st.tuples(
            st.integers(1, 50),
            st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(SEVERITIES)), max_size=7),
        ),
        max_size=25,
    )
)
def test_no_window_holds_too_many_and_nothing_is_forgotten(
    looks: list[tuple[int, list[tuple[str, str]]]],
) -> None:
    policy = DispatchPolicy(most=3, window=HOUR, settle=2 * HOUR, remind_after=5 * HOUR)
    history, now, sent = History(), NOON, []
    for minutes, found in looks:
        now += timedelta(minutes=minutes)
        alerts = [_alert(subject, severity) for subject, severity in found]
        done = dispatch(alerts, history, now=now, policy=policy)
        assert done == dispatch(list(reversed(alerts)), history, now=now, policy=policy)
        assert {a.key for a in done.send} | {h.alert.key for h in done.held} == {
            a.key for a in alerts
        }
        sent += [(now, a.key) for a in done.send]
        history = History.model_validate_json(done.history.model_dump_json())
        assert len(history.sent) <= policy.most
        assert len(history.known) <= 5
        assert len([at for at, _ in sent if now - at < HOUR]) <= policy.most
