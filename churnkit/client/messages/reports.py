"""Reports of model versions, written as jobs."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from churnkit.client.messages.jobs import Job
from churnkit.client.messages.message import Answer, Request


class ReportRequest(Request):
    """Of which model."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": "champion"}]})

    version: Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00]+$")] | None = Field(
        None, description="A version that was trained by this service, or an alias; null: champion."
    )


class Report(Job):
    """A report that is being written, or was."""

    version: str | None = Field(None, description="The model version that it is about.")


class ReportsPage(Answer):
    """Reports, the newest first."""

    reports: tuple[Report, ...]
    next_cursor: str | None = Field(description="For the next page; null: this is the last.")

    def jobs(self) -> tuple[Report, ...]:
        """The page."""
        return self.reports
