"""Models: which there are, who serves, who decided it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from churnkit.client.messages.message import Answer, Moment, Request
from churnkit.domain.runs import RunRecord

VersionName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]+$"),
    Field(examples=["v2"]),
]
Why = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1_000, pattern=r"^[^\x00]+$"),
    Field(description="A sentence for the journal.", examples=["better on the last quarter"]),
]


class Figure(Answer):
    """A figure with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class Model(Answer):
    """One admitted model version."""

    version: str = Field(examples=["v2"])
    candidate: str = Field(examples=["gradient_boosting"])
    created_at: datetime
    aliases: tuple[str, ...] = Field(description="Which of champion and challenger it is.")
    bundle_hash: str = Field(description="SHA-256 of the bundle's manifest.")
    data_fingerprint: str = Field(description="SHA-256 of the typed training data.")
    run_id: str
    metrics: dict[str, Figure] = Field(description="On customers that it never saw.")


class ModelsAnswer(Answer):
    """All model versions, the oldest first."""

    models: tuple[Model, ...]
    champion: str | None
    challenger: str | None


class ModelColumn(Answer):
    """A column that the model reads, and what it learnt of it."""

    name: str
    kind: Literal["number", "boolean", "category"]
    categories: tuple[str, ...] = ()
    low: float | None = Field(None, description="The smallest value in training, of numbers.")
    high: float | None = Field(None, description="The largest value in training, of numbers.")


class ModelCard(Answer):
    """What the model is for, and what it was made of."""

    purpose: str
    trained_on: str
    limits: tuple[str, ...]
    n_training_rows: int
    base_rate: float = Field(description="Share of customers who left, in the training rows.")
    medium_risk: float = Field(description="Probability from which risk is medium.")
    high_risk: float = Field(description="Probability from which risk is high.")
    libraries: dict[str, str] = Field(description="Versions that it was trained with.")


class ModelDetail(Model):
    """A model version with its card and the columns that it reads."""

    feature_hash: str = Field(description="Of the feature definitions, or of the columns' list.")
    columns: tuple[ModelColumn, ...]
    card: ModelCard


class ModelRun(Answer):
    """The training run that made a model version: its split, search and whole evaluation."""

    version: str
    record: RunRecord


class Aliases(Answer):
    """Who holds which alias."""

    champion: str | None
    challenger: str | None
    at: datetime | None = Field(None, description="At this moment of the past; null: now.")


class AliasesQuery(Request):
    """When."""

    at: Moment | None = Field(None, description="A moment of the past.")


class AliasChange(Request):
    """Let a version hold an alias."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"version": "v2", "why": "better on the last quarter", "expected_previous": "v1"}
            ]
        }
    )

    version: VersionName
    why: Why
    expected_previous: VersionName | None = Field(
        None,
        description="Who holds the alias now, as you saw it; null: nobody. Left out, the change "
        "is made whoever holds it. If another one does, nothing changes (409).",
    )


class Rollback(Request):
    """Let the champion before this one serve again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"why": "complaints since the change", "expected_previous": "v2"}]
        }
    )

    why: Why
    expected_previous: VersionName | None = Field(
        None, description="The champion that is to go, as you saw it; see the aliases."
    )


class JournalRow(Answer):
    """One change of who serves; each row's hash covers the row before it."""

    sequence: int
    at: datetime
    who: str
    action: str = Field(examples=["promote"])
    alias: str
    version: str | None
    previous_version: str | None
    why: str
    evidence: dict[str, Any]
    previous_hash: str
    hash: str


class JournalPage(Answer):
    """Rows of the journal, the newest first."""

    journal: tuple[JournalRow, ...]
    next_before: int | None = Field(description="For the next page; null: this is the last.")


class JournalQuery(Request):
    """Which rows of the journal."""

    before: int | None = Field(None, ge=1, le=2**31 - 1, description="Only smaller sequences.")
    limit: int = Field(100, ge=1, le=1_000)


class ModelCheck(Answer):
    """One thing that was looked at."""

    subject: str
    state: Literal["ok", "failed", "unchecked"]
    detail: str


class Verified(Answer):
    """Whether the journal and the models are what was written."""

    ok: bool = Field(description="Nothing failed.")
    checks: tuple[ModelCheck, ...]


class VerifyQuery(Request):
    """How much to check."""

    files: bool = Field(False, description="Check every file of every model, too: seconds.")


class LoadedModel(Answer):
    """A model version in one replica."""

    replica: str
    state: Literal["waiting", "loading", "ready", "failed", "serving"]
    bundle_hash: str = Field("", description="Of the files that were checked.")
    seconds: float | None = Field(None, description="How long it took to load.")
    problem: str = Field("", description="Why it failed.")
    seen_at: datetime


class ModelLoad(Answer):
    """Where a model version is ready to serve."""

    version: str
    wanted: bool = Field(description="Replicas are asked to keep it ready.")
    ready: bool = Field(description="Every replica has it.")
    replicas: tuple[LoadedModel, ...]
