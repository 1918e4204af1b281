"""The stack's parts, and what the long run concludes from what it saw."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from churnkit_stack.acknowledged import Acknowledged
from churnkit_stack.asking import SOURCES, Asking
from churnkit_stack.finding import Ports, ProgramMissing, program
from churnkit_stack.memory import Curve
from churnkit_stack.part import NotStarted, Part
from churnkit_stack.parts import why_no_pages
from churnkit_stack.processes import children, resident_bytes
from churnkit_stack.reconcile import Line, Reconciliation, reconcile
from churnkit_stack.rollout_watch import STALE_SECONDS, RolloutWatch

from churnkit.client.messages.rollouts import RolloutSummary
from churnkit.ledger.engine import make_engine, migrate
from churnkit.ledger.tables import outcomes, predictions
from tests.live import FEATURES

ASKING = Asking([f"customer-{i}" for i in range(60)], FEATURES)
AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def test_a_part_that_ends_at_once_is_told_with_what_it_said(tmp_path: Path) -> None:
    said = [sys.executable, "-c", "import sys; sys.exit('there is no room')"]
    part = Part("it", said, tmp_path / "log", lambda: False)
    part.start()
    with pytest.raises(NotStarted, match="there is no room"):
        part.wait_ready(20)


def test_a_missing_program_names_what_installs_it() -> None:
    with pytest.raises(ProgramMissing, match=r"system\.sh stack"):
        program("churnkit-no-such-program")


def test_no_port_is_given_twice() -> None:
    ports = Ports()
    first = ports.take()
    assert ports.take(first) != first
    assert len({ports.take() for _ in range(30)}) == 30


def test_memory_that_grows_has_a_slope() -> None:
    flat = Curve("flat", [float(i) for i in range(100)], [50_000_000] * 100)
    grows = Curve("grows", [float(i) for i in range(100)], [i * 100_000 for i in range(100)])
    assert flat.slope(after=10) == pytest.approx(0)
    assert grows.slope(after=10) == pytest.approx(6e6)
    assert grows.slope(after=95) is None


def test_memory_is_judged_behind_its_warming_up_and_only_when_it_was_seen_for_long() -> None:
    def curve(per_minute: float, seconds: int) -> Curve:
        # Caches fill for a minute; then it goes on as asked.
        return Curve(
            "replica 1",
            [float(i) for i in range(seconds)],
            [int(4e8 + 1e6 * min(i, 60) + per_minute * i / 60) for i in range(seconds)],
        )

    assert not curve(0, 900).grows
    assert not curve(5e5, 900).grows
    assert curve(2e6, 900).grows and "GROWS" in str(curve(2e6, 900))
    assert not curve(2e6, 200).grows and "too young" in str(curve(2e6, 200))


def test_a_process_tells_what_it_holds_and_whom_it_started() -> None:
    with subprocess.Popen(["sleep", "20"]) as started:
        assert started.pid in children(os.getpid())
        started.kill()
    assert started.pid not in children(os.getpid())
    told, known = resident_bytes(os.getpid()), psutil.Process().memory_info().rss
    assert told == pytest.approx(known, rel=0.05)
    assert resident_bytes(started.pid) is None


def test_pages_of_mlflow_are_left_out_with_the_reason(tmp_path: Path) -> None:
    assert "no run" in why_no_pages(tmp_path)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mlflow.db").touch()
    assert why_no_pages(tmp_path) == ""


@pytest.mark.parametrize(
    ("acknowledged", "stored", "missing", "repeated", "unknown", "right"),
    [
        (5, 5, 0, 0, 0, True), (5, 6, 0, 0, 1, True), (5, 6, 0, 0, 0, False),
        (5, 4, 1, 0, 0, False), (5, 5, 1, 0, 1, False), (5, 5, 0, 1, 0, False),
    ],
)  # fmt: skip
def test_what_is_right(
    acknowledged: int, stored: int, missing: int, repeated: int, unknown: int, right: bool
) -> None:
    assert Line("x", acknowledged, stored, missing, repeated, unknown).right is right


def test_each_source_has_customers_of_its_own() -> None:
    mine = [set(ASKING.of(source)) for source in ("single", "unkeyed", "bulk", "stream")]
    assert all(mine)
    assert sum(map(len, mine)) == len(set().union(*mine))


# --- the reconciliation -----------------------------------------------------------------------


def _row(name: str, customer: str, **more: object) -> dict[str, object]:
    return {
        "prediction_id": name, "customer_id": customer, "model_version": "v1",
        "probability": 0.5, "risk_band": "medium", "variant": "champion", "made_at": AT,
        "reasons": [], "request_id": None, "shadow_of": None, **more,
    }  # fmt: skip


def _outcome(name: str, customer: str) -> dict[str, object]:
    return {
        "outcome_id": name, "customer_id": customer, "as_of": AT, "churned": True,
        "known_at": AT, "recorded_at": AT, "source": "rest",
    }  # fmt: skip


def test_what_is_lost_or_doubled_is_found_wherever_it_is(postgres_url: str) -> None:
    done = Acknowledged()
    rows = []
    for source in SOURCES:
        mine = ASKING.of(source)[:3]
        ids = [f"{source}-{i}" for i in range(3)]
        job = "j1" if source == "batch" else None
        rows += [_row(n, c, request_id=job) for n, c in zip(ids, mine, strict=True)]
        if source == "batch":
            done.finished("j1", mine)
        else:
            done.predicted(source, ids)
    rows.append(_row("silent", ASKING.of("single")[0], shadow_of="single-0", variant="shadow"))
    done.recorded([("a", AT)])
    engine = make_engine(postgres_url)
    migrate(engine)

    def found(*changes: sa.Executable) -> Reconciliation:
        with engine.begin() as connection:
            for table in (predictions, outcomes):
                connection.execute(sa.delete(table))
            connection.execute(sa.insert(predictions), rows)
            connection.execute(sa.insert(outcomes), [_outcome("o1", "a")])
            for change in changes:
                connection.execute(change)
        return reconcile(postgres_url, ASKING, done)

    def lost(name: str) -> sa.Executable:
        return sa.delete(predictions).where(predictions.c.prediction_id == name)

    def twice(name: str, source: str, **more: object) -> sa.Executable:
        return sa.insert(predictions).values(_row(name, ASKING.of(source)[0], **more))

    whole = found()
    assert whole.right and "1 were scored by the silent model" in str(whole)
    assert found(lost("bulk-1")).wrong == ["bulk: 1 missing, 0 doubled"]
    assert found(lost("batch-1")).wrong == ["batch: 1 missing, 0 doubled"]
    assert found(twice("x", "stream")).wrong == ["stream: 0 missing, 1 doubled"]
    # One customer of a batch twice and another not at all: the number of rows is right.
    swapped = found(lost("batch-1"), twice("x", "batch", request_id="j1"))
    assert swapped.wrong == ["batch: 1 missing, 1 doubled"]
    assert "WRONG" in str(swapped)
    assert found(twice("x", "single", shadow_of="single-0")).shadows.repeated == 1
    assert found(twice("x", "single", shadow_of="nobody")).shadows.orphans == 1
    assert found(sa.insert(outcomes).values(_outcome("o2", "b"))).wrong == [
        "outcomes: 0 missing, 1 doubled"
    ]
    assert found(sa.delete(outcomes)).wrong == ["outcomes: 1 missing, 0 doubled"]
    # What nobody knows of may be there, and no more than that.
    done.no_answer("unkeyed", 1)
    assert found(twice("x", "unkeyed")).right
    assert not found(twice("x", "unkeyed"), twice("y", "unkeyed")).right
    engine.dispose()


def test_a_failure_that_comes_again_and_again_is_told_once() -> None:
    done = Acknowledged()
    for text in ("a", "b", "a", "c"):
        done.failed(text)
    assert done.failures_told() == ["2 × a", "b", "c"]
    assert done.failures_told(most=1) == ["2 × a", "and 2 other kinds"]


# --- the rollout --------------------------------------------------------------------------------

RUNNING = RolloutSummary(
    rollout_id="r1", champion="v1", challenger="v2", attempt=1, condition="running",
    stage="shadow", share=0.0, revision=1, created_at=AT, looked_at=AT,
)  # fmt: skip
STAGES = ("shadow", "1 %", "25 %")


def _then(**changes: object) -> RolloutSummary:
    return RUNNING.model_copy(update=changes)


@pytest.mark.parametrize(
    ("seen", "long", "wrong"),
    [
        ([], False, "nobody could ask"),
        ([RUNNING], False, "did not leave 'shadow'"),
        ([RUNNING, _then(stage="1 %")], False, ""),
        ([RUNNING, _then(stage="1 %")], True, "did not get beyond '1 %'"),
        ([RUNNING, _then(stage="25 %")], True, ""),
        ([RUNNING, _then(condition="aborted", outcome="aborted")], True, ""),
        ([_then(looked_at=AT - timedelta(seconds=2 * STALE_SECONDS)),
          _then(stage="25 %")], True, "nobody looked"),
    ],
)  # fmt: skip
def test_a_rollout_that_stands_still_is_found(
    seen: list[RolloutSummary], long: bool, wrong: str
) -> None:
    watch = RolloutWatch("http://127.0.0.1:1", "key", STAGES)
    for one in seen:
        watch.note(one, now=AT)
    found = watch.wrong(long=long)
    assert [wrong in text for text in found] == ([True] if wrong else []), found


def test_a_process_that_is_being_started_is_noted_before_ctrl_c_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = subprocess.Popen

    def interrupted(*given: Any, **named: Any) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = made(*given, **named)
        signal.raise_signal(signal.SIGINT)
        return process

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    part = Part("it", ["sleep", "60"], tmp_path / "log", lambda: True)
    # Who runs the tests in the background may have told them to ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            part.start()
    finally:
        signal.signal(signal.SIGINT, before)
    assert part.runs
    part.kill()
    assert not part.runs
