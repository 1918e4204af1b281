"""Work that takes longer than a request: what it is, how far it is, what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from pydantic import Field

from churnkit.domain.frozen import Frozen

JobKind = Literal["batch", "dataset", "features", "training", "report"]
JOB_KINDS: tuple[JobKind, ...] = get_args(JobKind)
JobState = Literal["uploading", "queued", "running", "finished", "failed", "cancelled"]
PROFILE, BUILT, DEFINITION = "profile", "built", "features.toml"
RUN, REPORT = "run", "report"
"""Files of jobs: a data set's profile, built features and their definition, a training's record, a
report."""
ENDED: tuple[JobState, ...] = ("finished", "failed", "cancelled")


class Job(Frozen):
    """One job as the ledger keeps it.

    ``claim`` counts how often a process took it: whoever writes for the job names his claim, and
    a process that was thought dead writes nothing any more. ``attempts`` are the claims since
    the job last got on. ``checkpoint`` is where a process that continues goes on, for a
    training what it has tried; ``request``
    what was asked, ``result`` what came of it, ``error`` why it failed: all plain data.
    """

    job_id: str
    kind: JobKind
    state: JobState
    owner: str
    """The API key that asked."""
    request: dict[str, Any]
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    rows_total: int | None = None
    """None: not known yet."""
    rows_done: int = 0
    """Rows that were looked at, the failed ones among them."""
    rows_failed: int = 0
    progress: float | None = None
    """Share that is done, in [0, 1]; None: not known."""
    stage: str = ""
    detail: str = ""
    checkpoint: dict[str, Any] = Field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    cancel_requested: bool = False
    claim: int = 0
    attempts: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is; None leaves a value as it was."""

    rows_total: int | None = None
    rows_done: int | None = None
    rows_failed: int | None = None
    progress: float | None = None
    stage: str = ""
    detail: str = ""
    trials: tuple[Mapping[str, str | float], ...] = ()
    """What a training has tried; it is kept as its checkpoint."""


@dataclass(frozen=True, slots=True)
class JobPart:
    """A part of one of a job's files."""

    name: str
    number: int
    content: bytes
    n_rows: int = 0


class RowFault(Frozen):
    """A row that could not be used: where it is, and why."""

    row: int
    """Its number in the file, as a person counts."""
    column: str = ""
    """Empty: the row as a whole."""
    given: str = ""
    reason: str
    fix: str = ""
    customer_id: str = ""


def row_ids(job_id: str, rows: list[int]) -> list[str]:
    """The prediction ids of a job's rows: the same row always has the same one.

    They are UUIDs of version 8 (RFC 9562): the 48 bits of time that the job's own id begins with,
    32 bits of the row's number, 42 bits of the job's hash; so they rise with the rows, and what
    is inserted together lies together in the database's index.
    """
    head = int(job_id[:12], 16) << 80 | 8 << 76 | 2 << 62
    tail = int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:6]) >> 6
    ids = []
    for row in rows:
        high, low = row >> 20 & 0xFFF, row & 0xFFFFF
        ids.append(f"{head | high << 64 | low << 42 | tail:032x}")
    return ids
