"""What a console is told as it happens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from churnkit.client.messages.message import Answer, Request

PREDICTION, PREDICTIONS, JOURNAL = "prediction", "predictions", "journal"
HELLO, GAP, END = "hello", "gap", "end"


class FeedQuery(Request):
    """Which events."""

    kinds: (
        Annotated[str, Field(max_length=500, pattern=r"^[a-z_]{1,32}(,[a-z_]{1,32})*$")] | None
    ) = Field(
        None,
        description="Such as 'prediction,predictions,journal,job,alert'; left out: all.",
        examples=["predictions,journal"],
    )


class FeedEvent(Answer):
    """One event of the feed.

    ``prediction`` is one prediction (``sampled``: there were more than could be told);
    ``predictions`` counts those of a second by model, variant and risk band; ``journal`` is a
    change of who serves or a rollout's step; other kinds are what was announced, such as ``job``
    and ``alert``. ``hello`` begins a feed, ``gap`` says that something was missed, ``end`` why the
    service ends it.
    """

    kind: str
    id: str | None = Field(None, description="Sent as Last-Event-ID, the feed goes on behind it.")
    data: dict[str, Any]


class FeedPrediction(Answer):
    """The data of a ``prediction``."""

    prediction_id: str
    customer_id: str
    model_version: str
    variant: str
    probability: float
    risk_band: str
    made_at: datetime
    sampled: bool


class FeedCount(Answer):
    """Predictions of one model, variant and risk band."""

    model_version: str
    variant: str
    risk_band: str
    n: int
    mean_probability: float


class FeedPredictions(Answer):
    """The data of ``predictions``: those made after ``from`` and until ``to``."""

    from_: datetime = Field(alias="from")
    to: datetime
    n: int
    counts: tuple[FeedCount, ...]
