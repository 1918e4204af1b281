"""What the process of one job works with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from churnkit.domain.jobs import Job, JobPart, JobProgress
from churnkit.domain.progress import Cancel, Step
from churnkit.errors import ChurnkitError
from churnkit.files import storage_errors
from churnkit.ledger.jobs import next_part
from churnkit.project import Project

INPUT = "input"
_PART_BYTES = 1 << 20
MOST_TRIALS = 1_000
"""Of one training, that are told while it runs: the heartbeat writes them anew each time."""


class LetGo(Exception):
    """The process was told to stop: another one goes on with the job."""


@dataclass(frozen=True)
class Outcome:
    """What came of a job: a few words as plain data, and files.

    ``drop`` names the job's files that are needed no more.
    """

    result: dict[str, Any]
    parts: Iterable[JobPart] = ()
    drop: tuple[str, ...] = (INPUT,)
    progress: JobProgress | None = None


@dataclass
class Work:
    """One job in its process.

    Parameters
    ----------
    project : on the service's database; its folder's DuckDB is not opened
    folder : a temporary one of this job's own
    told : hears of rows that were committed: counts by name
    """

    project: Project
    job: Job
    folder: Path
    told: Callable[[dict[str, Any]], None] = lambda counts: None
    cancel: Cancel = field(default_factory=Cancel)
    stop: threading.Event = field(default_factory=threading.Event)
    settled: threading.Event = field(default_factory=threading.Event)
    """Set when the work is about to change what others see: from now on it is not cut off."""
    latest: JobProgress = field(default_factory=JobProgress)
    """The latest news, which the heartbeat takes along."""

    def progress(self, step: Step) -> None:
        """Hear of progress (see ``churnkit.domain.progress``)."""
        trials = self.latest.trials
        if "roc_auc" in step.figures and len(trials) < MOST_TRIALS:
            trials = (*trials, step.figures)
        self.latest = JobProgress(
            stage=step.stage, progress=step.done, detail=step.detail, trials=trials
        )

    def look(self) -> None:
        """Stop here if somebody asked.

        Raises
        ------
        Cancelled : the job is not wanted any more
        LetGo : this process shall end
        """
        self.cancel.check()
        if self.stop.is_set():
            raise LetGo

    def fetch(self, name: str = INPUT, *, job_id: str = "", ending: str = "") -> Path | None:
        """One of a job's files as a file in this job's folder; None: it is not there."""
        path = self.folder / f"{name}{ending}"
        number = -1
        owner = job_id or self.job.job_id
        engine = self.project.ledger.engine
        with storage_errors(path), path.open("wb") as file:
            while part := next_part(engine, owner, name, number):
                self.look()
                file.write(part.content)
                number = part.number
        return path if number >= 0 else None


def file_parts(name: str, path: Path) -> Iterator[JobPart]:
    """A file as parts of one of a job's files."""
    with path.open("rb") as file:
        number = 0
        while content := file.read(_PART_BYTES):
            yield JobPart(name, number, content)
            number += 1


def bytes_parts(name: str, content: bytes) -> Iterator[JobPart]:
    """Bytes as parts of one of a job's files."""
    for number, start in enumerate(range(0, len(content), _PART_BYTES)):
        yield JobPart(name, number, content[start : start + _PART_BYTES])


def now() -> datetime:
    """The present, for the ledger."""
    return datetime.now(UTC)


def told_error(error: ChurnkitError) -> dict[str, Any]:
    """An error as a job keeps it: without folders of the machine that it happened on."""
    places = {
        name: value
        for name, value in error.to_json()["where"].items()  # type: ignore[attr-defined]  # a dict
        if name in ("row", "column", "field", "version")
    }
    choices = error.where.get("choices")
    if isinstance(choices, list | tuple):
        places["choices"] = [str(choice) for choice in choices[:100]]
    return {"code": error.code, "what": error.what, "fix": error.fix, "where": places}
