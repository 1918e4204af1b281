"""What all jobs have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from churnkit.client.messages.message import Answer, Request

State = Literal["queued", "running", "finished", "failed", "cancelled"]


JobId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{32}$"),
    Field(examples=["019ab3f26c8e7d11a2b4c6d8e0f21436"]),
]


class JobProblem(Answer):
    """Why a job failed."""

    type: str = Field(description="Names the kind of problem; it never changes.")
    title: str = Field(description="The kind of problem in words.")
    detail: str = Field("", description="What was wrong this time.")
    fix: str = Field("", description="What to do about it.")
    row: int | None = Field(None, description="The row of the file, as a person counts.")
    column: str | None = Field(None, description="The column of the file.")
    choices: tuple[str, ...] = Field((), description="Where it was not clear which: these.")


class Job(Answer):
    """Work that takes longer than a request."""

    id: str = Field(examples=["019ab3f26c8e7d11a2b4c6d8e0f21436"])
    state: State
    progress: float | None = Field(
        None, ge=0, le=1, description="Share that is done; null: not known."
    )
    stage: str = Field("", description="What is being done.")
    detail: str = Field("", description="The latest news of it.")
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: JobProblem | None = Field(None, description="Why it failed.")

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("finished", "failed", "cancelled")


class Deleted(Answer):
    """It is gone."""


class JobsQuery(Request):
    """Which jobs."""

    state: State | None = None
    cursor: str | None = Field(None, max_length=200, description="From the page before.")
    limit: int = Field(100, ge=1, le=1_000)
