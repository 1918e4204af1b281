"""Work on one job that this process has claimed, until it is over or somebody asks to stop."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from churnkit.domain.jobs import Job, JobKind
from churnkit.errors import Cancelled, ChurnkitError, ClaimLost, StorageUnreachable
from churnkit.ledger.job_claims import end_job, keep_claim, release_job
from churnkit.project import Project
from churnkit.usecases.jobs.batches import score_batch
from churnkit.usecases.jobs.datasets import look_at_dataset, work_on_features
from churnkit.usecases.jobs.work import LetGo, Outcome, Work, now, told_error

log = logging.getLogger("churnkit.jobs")
Ending = Literal["finished", "failed", "cancelled", "released", "lost"]
_QUICK: Mapping[JobKind, Callable[[Work], Outcome]] = {
    "batch": score_batch,
    "dataset": look_at_dataset,
    "features": work_on_features,
}
_HEARTBEAT_SECONDS = 1.0
_STOP_SECONDS = 5.0
"""A cancelled job that does not look up for so long is ended where it is."""


def work_on(
    project: Project,
    job: Job,
    *,
    told: Callable[[dict[str, Any]], None],
    stop: threading.Event,
    die: Callable[[Ending], None],
) -> Ending:
    """Do a job's work, and write what came of it.

    Parameters
    ----------
    told : hears of rows that were committed
    stop : set when this process shall end: the job is left to another one
    die : ends the process at once; called when the work does not look up

    Raises
    ------
    StorageError : the database is away; the job's lease runs out, and somebody takes it again
    """
    with tempfile.TemporaryDirectory(prefix="churnkit-job-") as folder:
        try:
            return _work_in(Work(project, job, Path(folder), told=told, stop=stop), die)
        except ClaimLost:  # also where the end was to be written
            return "lost"


def _work_in(work: Work, die: Callable[[Ending], None]) -> Ending:
    engine, job = work.project.ledger.engine, work.job
    try:
        with _heartbeat(work, die):
            outcome = _runner(job.kind)(work)
        end_job(
            engine, job, "finished", now(), result=outcome.result, parts=outcome.parts,
            drop=outcome.drop, progress=outcome.progress,
        )  # fmt: skip
    except LetGo:
        release_job(engine, job, now(), in_order=True)
        return "released"
    except Cancelled:
        end_job(engine, job, "cancelled", now())
        return "cancelled"
    except (ClaimLost, StorageUnreachable):
        raise
    except ChurnkitError as error:
        log.warning("job failed", extra={"job": job.job_id, "error": error.to_json()})
        end_job(engine, job, "failed", now(), error=told_error(error))
        return "failed"
    except Exception:  # a mistake of ours; the same work would make it again
        log.exception("job failed", extra={"job": job.job_id})
        mistake = ChurnkitError(
            "the service made a mistake.", fix="Its log has the details under the job's id."
        )
        end_job(engine, job, "failed", now(), error=told_error(mistake))
        return "failed"
    return "finished"


def _runner(kind: JobKind) -> Callable[[Work], Outcome]:
    if kind in ("training", "report"):
        # A process that only scores starts in half the time without the training stack.
        from churnkit.usecases.jobs.trainings import report_on_version, train_on_dataset

        return train_on_dataset if kind == "training" else report_on_version
    return _QUICK[kind]


@contextmanager
def _heartbeat(work: Work, die: Callable[[Ending], None]) -> Iterator[None]:
    """While the block runs, say that the job is being worked on, and hear of cancellation."""
    over = threading.Event()
    thread = threading.Thread(
        target=_beat, args=(work, over, die), name="churnkit-heartbeat", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _beat(work: Work, over: threading.Event, die: Callable[[Ending], None]) -> None:
    engine, lease = work.project.ledger.engine, work.project.settings.service.job_lease_seconds
    patience = _STOP_SECONDS
    silent = 0.0
    while not over.wait(_HEARTBEAT_SECONDS):
        try:
            if keep_claim(engine, work.job, work.latest, now()):
                work.cancel.cancel()
            silent = 0.0
        except StorageUnreachable:
            silent += _HEARTBEAT_SECONDS
            if silent > lease:
                die("lost")
        except ClaimLost:
            # The work finds out itself with its next commit, unless it has none for long.
            work.stop.set()
            if not over.wait(_STOP_SECONDS):
                die("lost")
            return
        if work.cancel.cancelled or work.stop.is_set():
            patience -= _HEARTBEAT_SECONDS
            if patience < 0 and not over.is_set():
                _end_here(work, die)


def _end_here(work: Work, die: Callable[[Ending], None]) -> None:
    """The work does not look up (it fits a model, say): end it with its process."""
    engine = work.project.ledger.engine
    if work.settled.is_set():
        return
    try:
        if work.cancel.cancelled:
            end_job(engine, work.job, "cancelled", now())
            die("cancelled")
        else:
            release_job(engine, work.job, now(), in_order=True)
            die("released")
    except (StorageUnreachable, ClaimLost):
        die("lost")
