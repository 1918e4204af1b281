"""Trainings: models learnt from a data set, as jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from churnkit.client.messages.jobs import Job, JobId
from churnkit.client.messages.message import Answer, Request

Column = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Definition = Annotated[str, StringConstraints(max_length=1_000_000, pattern=r"^[^\x00]*$")]


class TrainingMoney(Request):
    """What a customer and a campaign are worth; what is left out is the service's."""

    currency: Annotated[str, StringConstraints(max_length=10, pattern=r"^[^\x00]*$")] | None = None
    customer_value: float | None = Field(None, gt=0, le=1e12)
    contact_cost: float | None = Field(None, ge=0, le=1e12)
    offer_cost: float | None = Field(None, ge=0, le=1e12)
    success_rate: float | None = Field(None, gt=0, le=1)


class TrainingRequest(Request):
    """What to learn from, and how; null: what the service's churnkit.toml says."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"dataset_id": "019ab3f26c8e7d11a2b4c6d8e0f21436", "budget_seconds": 60, "seed": 1}
            ]
        }
    )

    dataset_id: JobId
    budget_seconds: float | None = Field(None, gt=0, le=86_400, description="For the search.")
    seed: int | None = Field(None, ge=0, le=2**32 - 1, strict=True)
    candidates: (
        Annotated[
            tuple[
                Literal[
                    "logistic_regression",
                    "hist_gradient_boosting",
                    "random_forest",
                    "gradient_boosting",
                ],
                ...,
            ],
            Field(min_length=1, max_length=4),
        ]
        | None
    ) = None
    test_share: float | None = Field(None, gt=0, lt=0.9)
    ignore: Annotated[tuple[Column, ...], Field(max_length=1_000)] = Field(
        (), description="Columns that the model must not see."
    )
    allow_leaking: Annotated[tuple[Column, ...], Field(max_length=1_000)] = Field(
        (), description="Columns that it may see although they seem to know the answer."
    )
    segments: Annotated[tuple[Column, ...], Field(max_length=100)] = Field(
        (), description="Columns by which quality is shown; empty: churnkit chooses."
    )
    money: TrainingMoney | None = None
    definition: Definition | None = Field(
        None, description="Of a log: a features.toml; null: what churnkit suggests."
    )
    why: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")] = Field(
        "", description="A sentence for the journal."
    )


class Figure(Answer):
    """A figure with its interval."""

    value: float
    low: float
    high: float


class TriedModel(Answer):
    """One candidate, scored by cross-validation."""

    candidate: str
    roc_auc: float
    log_loss: float
    seconds: float


class TrainingResult(Answer):
    """A model version that was admitted."""

    version: str = Field(examples=["v2"])
    alias: str | None = Field(None, description="champion: it serves; challenger: it wants to.")
    candidate: str
    metrics: dict[str, Figure]
    threshold: float
    calibration: str
    n_train: int
    n_test: int
    trials: tuple[TriedModel, ...]
    importance: dict[str, Figure]
    left_out: dict[str, str] = Field(description="Columns that the model does not see, and why.")


class Training(Job):
    """A model that is being learnt, or was."""

    dataset_id: str
    request: dict[str, Any] = Field({}, description="What was asked.")
    trials: tuple[TriedModel, ...] = Field(
        (), description="What was tried so far, in its order; the first 1,000."
    )
    result: TrainingResult | None = None


class TrainingsPage(Answer):
    """Trainings, the newest first."""

    trainings: tuple[Training, ...]
    next_cursor: str | None = Field(description="For the next page; null: this is the last.")

    def jobs(self) -> tuple[Training, ...]:
        """The page."""
        return self.trainings
