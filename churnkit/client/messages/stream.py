"""What goes over the WebSocket that scores."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from churnkit.client.messages.message import Answer
from churnkit.client.messages.predictions import Prediction, PredictionRequest
from churnkit.client.messages.problems import Fault, Problem

LONGEST_ID = 200


class StreamRequest(PredictionRequest):
    """Customers to score, as for ``POST /v1/predictions``, under an id of the client's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "m-1",
                    "items": [
                        {
                            "customer_id": "7590-VHVEG",
                            "features": {"tenure": 1, "Contract": "Month-to-month"},
                        }
                    ],
                }
            ]
        }
    )

    id: Annotated[str, Field(max_length=LONGEST_ID)] | None = Field(
        None, description="Comes back with the answer."
    )
    idempotency_key: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,255}$")] | None = Field(
        None, description="As the header Idempotency-Key: sent again, the message works once."
    )


class StreamAnswer(Answer):
    """The answer to one message: predictions, or a problem."""

    id: str | None = Field(None, description="The message's id; null: it had none.")
    number: int = Field(description="Which message of this connection, from 0.")
    predictions: tuple[Prediction, ...] = ()
    errors: tuple[Fault, ...] = ()
    problem: Problem | None = Field(None, description="Why the message was not answered.")
