"""Batches: a file of customers in, a file of scores out."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from churnkit.client.messages.jobs import Job
from churnkit.client.messages.message import Answer, Moment, Request
from churnkit.client.messages.predictions import MOST_REASONS

TableFormat = Literal["csv", "ndjson", "parquet"]


class BatchQuery(Request):
    """How a file is to be scored."""

    format: TableFormat | None = Field(
        None, description="Of the file; without it the body's type says it."
    )
    record: Literal["true", "false"] = Field(
        "true", description="Whether the predictions go into the ledger."
    )
    reasons: int = Field(0, ge=0, le=MOST_REASONS, description="Reasons for each customer.")
    on_error: Literal["skip", "fail"] = Field(
        "skip",
        description="With rows that cannot be scored: set them aside, or score none at all.",
    )
    as_of: Moment | None = Field(
        None, description="The moment to look from, with its zone; without it: now."
    )


class BrokenRow(Answer):
    """A row that could not be scored."""

    row: int = Field(description="Its number in the file, as a person counts.")
    column: str = Field("", description="Empty: the row as a whole.")
    given: str = Field("", description="What was given, cut short.")
    reason: str
    fix: str = ""
    customer_id: str = ""


class Batch(Job):
    """A file of customers that is being scored, or was."""

    format: TableFormat = Field(description="Of the file that was uploaded.")
    record: bool
    reasons: int
    on_error: Literal["skip", "fail"]
    as_of: datetime | None = None
    rows: int | None = Field(None, description="In the file; null: not known yet.")
    done: int = Field(description="Rows that were looked at, the failed ones among them.")
    failed: int = Field(description="Rows that could not be scored, and were set aside.")
    errors: tuple[BrokenRow, ...] = Field((), description="The first of the failed rows.")
    model_version: str | None = Field(None, examples=["v1"])
    mean_probability: float | None = None
    risk_bands: dict[str, int] = Field({}, description="Rows by their risk.")
    unknown_categories: dict[str, int] = Field(
        {}, description="By column, rows with a text that the model never saw."
    )


class BatchesPage(Answer):
    """Batches, the newest first."""

    batches: tuple[Batch, ...]
    next_cursor: str | None = Field(description="For the next page; null: this is the last.")

    def jobs(self) -> tuple[Batch, ...]:
        """The page."""
        return self.batches


class ResultQuery(Request):
    """Which part of a result, and how."""

    format: TableFormat = "csv"
    rows: Literal["scored", "failed"] = Field(
        "scored", description="The scores, or the rows that were set aside with the reason."
    )
