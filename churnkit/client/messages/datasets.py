"""Data sets: files to learn from, looked at as jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from churnkit.client.messages.jobs import Job
from churnkit.client.messages.message import Answer, Request

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class DatasetQuery(Request):
    """What a file holds; what is left out is guessed, with the ground."""

    name: Name = Field("dataset", description="For people.")
    format: Literal["csv", "parquet"] | None = Field(
        None, description="Of the file; without it the body's type says it."
    )
    kind: Literal["table", "events"] | None = Field(
        None, description="One row per customer, or a log of events."
    )
    target: Name | None = Field(None, description="Of a table: the column that says who left.")
    positive: Name | None = Field(None, description="The target's value of those who left.")
    id: Name | None = Field(None, description="The column that names the customer.")
    time: Name | None = Field(None, description="Of a log: the column with the events' times.")
    event_type: Name | None = Field(None, description="Of a log: the column with their types.")
    activity: Name | None = Field(
        None, description="Of a log: types that are activity, with commas; without it: all."
    )
    zone: Annotated[str, StringConstraints(max_length=64)] = Field(
        "UTC", description="Of a log: the zone in which days begin."
    )
    horizon_days: int | None = Field(None, ge=1, le=36_500, description="Of the churn window.")
    lead_days: int = Field(0, ge=0, le=36_500, description="Before the churn window.")
    grace_days: int = Field(0, ge=0, le=36_500, description="In which a renewal still counts.")


class ColumnRole(Answer):
    """What a column seems to be for, and why."""

    column: str
    role: Literal["id", "target", "time", "input", "ignore"]
    ground: str
    positive: str = ""


class Leak(Answer):
    """A column that seems to know the answer."""

    column: str
    kind: Literal["predicts", "filled", "copy", "id"]
    figure: float
    evidence: str
    blocked: bool = Field(description="Whether models do not get to see it.")


class LogGuess(Answer):
    """What was guessed about a log, and why."""

    what: str
    value: str
    ground: str


class Dataset(Job):
    """A file to learn from."""

    name: str
    kind: Literal["table", "events"] | None = Field(None, description="Null: not known yet.")
    n_rows: int | None = None
    churn_rate: float | None = Field(None, ge=0, le=1, description="Of a table.")
    roles: tuple[ColumnRole, ...] = Field((), description="Of a table's columns.")
    leaks: tuple[Leak, ...] = Field((), description="Columns of a table that know the answer.")
    guesses: tuple[LogGuess, ...] = Field((), description="About a log.")
    imported: dict[str, Any] | None = Field(None, description="Of a log: what came in.")


class DatasetsPage(Answer):
    """Data sets, the newest first."""

    datasets: tuple[Dataset, ...]
    next_cursor: str | None = Field(description="For the next page; null: this is the last.")

    def jobs(self) -> tuple[Dataset, ...]:
        """The page."""
        return self.datasets


class ProfiledColumn(Answer):
    """One column in figures."""

    name: str
    kind: Literal["number", "boolean", "category", "time"]
    role: Literal["id", "target", "time", "input", "ignore"]
    missing: int
    blanks: int
    missing_words: tuple[str, ...] = ()
    distinct: int
    constant: bool
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    top: tuple[tuple[str, int], ...] = Field((), description="The most frequent values.")
    note: str = ""


class DatasetProfile(Answer):
    """A table in figures."""

    n_rows: int
    n_positive: int
    target: str
    positive: str
    columns: tuple[ProfiledColumn, ...]
    duplicate_ids: int
    duplicates: int
    conflicting: int
    leaks: tuple[Leak, ...]
    fingerprint: str
