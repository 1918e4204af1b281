"""Features of a log of events: suggested, built and shown as jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from churnkit.client.messages.jobs import Job, JobId
from churnkit.client.messages.message import Answer, Request
from churnkit.client.messages.trainings import Column, Definition

When = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\x00]+$")]


class FeaturesRequest(Request):
    """What to do with the features of a data set that is a log of events."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dataset_id": "019ab3f26c8e7d11a2b4c6d8e0f21436",
                    "action": "build",
                    "as_of": ["2026-03-01"],
                }
            ]
        }
    )

    dataset_id: JobId
    action: Literal["suggest", "build", "show"] = Field(
        "suggest",
        description="Propose a features.toml; compute all customers' features into a file; "
        "or explain one customer's down to the events.",
    )
    definition: Definition | None = Field(
        None, description="A features.toml; null: what churnkit suggests."
    )
    as_of: Annotated[tuple[When, ...], Field(max_length=100)] = Field(
        (), description="Dates, or moments with a zone: to build at, or (the first) to show."
    )
    customer_id: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] = Field(
        "", description="Of whom to show."
    )
    names: Annotated[tuple[Column, ...], Field(max_length=1_000)] = Field(
        (), description="Show only these features; empty: all."
    )
    format: Literal["csv", "parquet"] = Field("parquet", description="Of the file that is built.")


class FeatureJob(Job):
    """Work on features."""

    dataset_id: str
    action: Literal["suggest", "build", "show"]
    content_hash: str | None = Field(None, description="Of the features.")
    features: tuple[dict[str, Any], ...] = Field((), description="Each with its meaning.")
    grounds: tuple[str, ...] = Field((), description="Why they were suggested.")
    built: dict[str, Any] | None = Field(None, description="What the file holds.")
    shown: dict[str, Any] | None = Field(None, description="One customer's features, explained.")


class FeatureJobsPage(Answer):
    """Work on features, the newest first."""

    features: tuple[FeatureJob, ...]
    next_cursor: str | None = Field(description="For the next page; null: this is the last.")

    def jobs(self) -> tuple[FeatureJob, ...]:
        """The page."""
        return self.features
