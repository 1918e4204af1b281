"""Of all processes exactly one works on a job, and one that was given up writes no more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from churnkit.domain.identifiers import time_ordered_ids
from churnkit.domain.jobs import Job, JobKind, JobPart, JobProgress, row_ids
from churnkit.domain.recording import IdempotentAnswer, PredictionColumns
from churnkit.errors import ClaimLost
from churnkit.ledger import job_claims, jobs
from churnkit.ledger.prediction_copy import insert_predictions
from churnkit.ledger.store import Ledger

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ERROR = {"code": "job_given_up", "what": "it died", "fix": "", "where": {}}


@pytest.fixture
def engine(ledger_url: str) -> Any:
    with Ledger.open(ledger_url) as ledger:
        yield ledger.engine


def add(engine: sa.Engine, n: int = 1, kind: JobKind = "batch", *, after: int = 0) -> list[str]:
    """New jobs, waiting; a second apart, the first of them so many seconds after NOW."""
    ids = time_ordered_ids(n, 1_700_000_000_000)
    for i, name in enumerate(ids):
        at = NOW + timedelta(seconds=after + i)
        assert jobs.insert_job(
            engine,
            Job(job_id=name, kind=kind, state="queued", owner="k", request={}, created_at=at),
        )
    return ids


def claim(engine: sa.Engine, *, lease: float = 3600, at: datetime = NOW) -> Job | None:
    return job_claims.claim_job(
        engine, lease_seconds=lease, most_attempts=3, now=at, too_often=ERROR
    )


def test_many_processes_take_each_job_once(engine: sa.Engine) -> None:
    ids = add(engine, 30)
    with ThreadPoolExecutor(8) as pool:
        taken = [job for job in pool.map(lambda _: claim(engine), range(60)) if job is not None]
    assert sorted(job.job_id for job in taken) == sorted(ids)
    assert {(job.claim, job.attempts) for job in taken} == {(1, 1)}


def test_the_oldest_is_taken_first_and_one_training_at_a_time(engine: sa.Engine) -> None:
    first, second = add(engine, 2, "training")
    (batch,) = add(engine, after=2)
    job = claim(engine)
    assert job is not None
    assert job.job_id == first
    later = claim(engine)
    assert later is not None
    assert later.job_id == batch
    assert claim(engine) is None
    job_claims.end_job(engine, job, "finished", NOW)
    last = claim(engine)
    assert last is not None
    assert last.job_id == second


def _silent(engine: sa.Engine, job_id: str) -> None:
    """As if its process had said nothing for an hour."""
    with engine.begin() as connection:
        connection.execute(
            sa.update(jobs.jobs)
            .where(jobs.jobs.c.job_id == job_id)
            .values(seen_at=datetime.now(UTC) - timedelta(hours=1))
        )


def test_a_silent_process_loses_its_job_and_writes_no_more(engine: sa.Engine) -> None:
    (name,) = add(engine)
    now = datetime.now(UTC)
    first = claim(engine, lease=60, at=now)
    assert first is not None
    assert claim(engine, lease=60, at=now) is None
    _silent(engine, name)
    second = claim(engine, lease=60, at=now)
    assert second is not None
    assert (second.job_id, second.claim) == (name, 2)
    with pytest.raises(ClaimLost), job_claims.working(engine, first) as connection:
        insert_predictions(connection, _predictions(["a"]))
    with pytest.raises(ClaimLost):
        job_claims.keep_claim(engine, first, JobProgress(), now)
    with pytest.raises(ClaimLost):
        job_claims.end_job(engine, first, "finished", now)
    assert not job_claims.release_job(engine, first, now, in_order=False)
    with job_claims.working(engine, second) as connection:
        job_claims.advance(connection, second, JobProgress(rows_done=5), now, checkpoint={"n": 5})
    found = jobs.find_job(engine, name)
    assert found is not None
    assert (found.rows_done, found.checkpoint, found.attempts) == (5, {"n": 5}, 0)
    # A heartbeat with older news takes nothing back.
    job_claims.keep_claim(engine, second, JobProgress(rows_done=3, stage="scoring"), now)
    found = jobs.find_job(engine, name)
    assert found is not None
    assert (found.rows_done, found.stage) == (5, "scoring")
    assert found.checkpoint == {"n": 5}
    trial: dict[str, str | float] = {"candidate": "a", "roc_auc": 0.7}
    job_claims.keep_claim(engine, second, JobProgress(trials=(trial,)), now)
    found = jobs.find_job(engine, name)
    assert found is not None and found.checkpoint == {"trials": [trial]}


def _predictions(customers: list[str], reasons: str = "[]") -> PredictionColumns:
    n = len(customers)
    return PredictionColumns(
        prediction_ids=row_ids("0" * 32, list(range(n))),
        customer_ids=customers,
        probabilities=[0.1] * n,
        risk_bands=["low"] * n,
        reasons=[reasons] * n,
        unknown_categories=[None] * n,
        model_version="v1",
        variant="champion",
        made_at=NOW,
        request_id="job",
    )


def test_a_piece_is_committed_whole_or_not_at_all(engine: sa.Engine) -> None:
    add(engine)
    job = claim(engine)
    assert job is not None
    with pytest.raises(RuntimeError), job_claims.working(engine, job) as connection:
        insert_predictions(connection, _predictions(["a", "b"]))
        job_claims.advance(
            connection, job, JobProgress(rows_done=2), NOW, checkpoint={"n": 2},
            parts=[JobPart("result", 0, b"x", 2)],
        )  # fmt: skip
        raise RuntimeError
    found = jobs.find_job(engine, job.job_id)
    assert found is not None
    assert (found.rows_done, found.checkpoint) == (0, {})
    assert jobs.next_part(engine, job.job_id, "result") is None
    with engine.connect() as connection:
        assert connection.execute(sa.text("select count(*) from predictions")).scalar() == 0


def test_any_text_comes_back_as_it_went_in(engine: sa.Engine) -> None:
    customers = ["tab\there", "line\nbreak\r", "back\\slash\\N", "ünï☃", '"quoted", "', "\\."]
    with engine.begin() as connection:
        insert_predictions(connection, _predictions(customers, '[{"column": "a\\tb"}]'))
        rows = connection.execute(
            sa.text("select customer_id, reasons from predictions order by prediction_id")
        ).all()
    assert [row[0] for row in rows] == customers
    assert {row[1] for row in rows} == {'[{"column": "a\\tb"}]'}


def test_a_job_whose_process_dies_again_and_again_is_given_up(engine: sa.Engine) -> None:
    (name,) = add(engine)
    for _ in range(3):
        job = claim(engine)
        assert job is not None
        assert job_claims.release_job(engine, job, NOW, in_order=False)
    assert claim(engine) is None
    found = jobs.find_job(engine, name)
    assert found is not None
    assert (found.state, found.error) == ("failed", ERROR)


def test_a_process_that_is_told_to_stop_does_not_count(engine: sa.Engine) -> None:
    add(engine)
    for _ in range(5):
        job = claim(engine)
        assert job is not None
        assert job_claims.release_job(engine, job, NOW, in_order=True)
    assert claim(engine) is not None


def test_cancelling(engine: sa.Engine) -> None:
    waiting, running = add(engine, 2)[::-1]
    job = claim(engine)
    assert job is not None
    assert job.job_id == running
    assert not job_claims.keep_claim(engine, job, JobProgress(), NOW)
    stopped = jobs.cancel_job(engine, waiting, "batch", NOW)
    assert stopped is not None
    assert stopped.state == "cancelled"
    asked = jobs.cancel_job(engine, running, "batch", NOW)
    assert asked is not None
    assert asked.state == "running"
    assert job_claims.keep_claim(engine, job, JobProgress(), NOW)
    # Its process dies before it hears: nobody takes it up again.
    assert job_claims.release_job(engine, job, NOW, in_order=False)
    assert claim(engine) is None
    found = jobs.find_job(engine, running)
    assert found is not None
    assert found.state == "cancelled"
    assert jobs.cancel_job(engine, running, "training", NOW) is None


def test_a_key_makes_one_job(engine: sa.Engine) -> None:
    def job(name: str) -> Job:
        return Job(
            job_id=name, kind="report", state="queued", owner="k", request={}, created_at=NOW
        )

    answer = IdempotentAnswer("k", "key", "h", 202, b"{}", NOW)
    assert jobs.insert_job(engine, job("1" * 32), answer)
    assert not jobs.insert_job(engine, job("2" * 32), answer)
    assert jobs.find_job(engine, "2" * 32) is None


def test_what_is_old_or_broke_off_is_deleted(engine: sa.Engine) -> None:
    old, young, waiting = add(engine, 3)
    now = datetime.now(UTC)
    for name, at in ((old, now - timedelta(days=8)), (young, now)):
        job = claim(engine)
        assert job is not None
        assert job.job_id == name
        job_claims.end_job(
            engine, job, "finished", at, parts=[JobPart("result", 0, b"x", 1)], drop=()
        )
    upload = Job(
        job_id="f" * 32, kind="batch", state="uploading", owner="k", request={}, created_at=NOW
    )
    jobs.insert_job(engine, upload)
    jobs.add_part(engine, "f" * 32, JobPart("input", 0, b"x"), now)
    assert jobs.find_job(engine, "f" * 32) is None
    keep = now - timedelta(days=7)
    assert jobs.delete_old_jobs(engine, ended_before=keep, idle_seconds=600, now=now) == 1
    assert jobs.next_part(engine, old, "result") is None
    assert jobs.next_part(engine, young, "result") is not None
    assert jobs.find_job(engine, waiting) is not None
    (data,) = add(engine, 1, "dataset")
    for _ in range(2):
        job = claim(engine)
        assert job is not None
        job_claims.end_job(engine, job, "finished", now - timedelta(days=8))
    lasting = {"lasting": ("dataset",), "lasting_before": now - timedelta(days=90)}
    n = jobs.delete_old_jobs(engine, ended_before=keep, idle_seconds=600, now=now, **lasting)
    assert n == 1
    assert jobs.find_job(engine, waiting) is None
    assert jobs.find_job(engine, data) is not None
    assert jobs.delete_old_jobs(engine, ended_before=keep, idle_seconds=600, now=now) == 1
    _silent(engine, "f" * 32)
    assert jobs.delete_old_jobs(engine, ended_before=keep, idle_seconds=600, now=now) == 1
    assert jobs.next_part(engine, "f" * 32, "input") is None


@given(st.sets(st.integers(0, 2**32 - 1), min_size=2, max_size=50))
def test_ids_of_rows_rise_and_never_meet(rows: set[int]) -> None:
    first, second = time_ordered_ids(2, 1_700_000_000_000)
    ids = row_ids(first, sorted(rows))
    assert ids == sorted(set(ids))
    assert ids == row_ids(first, sorted(rows))
    assert not set(ids) & set(row_ids(second, sorted(rows)))
    assert {(one[12], one[16] in "89ab") for one in ids} == {("8", True)}
