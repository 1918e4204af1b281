"""Recorded predictions as they are shown."""

from __future__ import annotations

import re
from typing import Any

from churnkit.client.messages.predictions import RecordedPrediction
from churnkit.domain.predictions import PredictionRow
from churnkit.usecases.operating import online as usecases
from churnkit_service.endpoint import Call
from churnkit_service.problems import NotFound

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


def recorded(row: PredictionRow) -> dict[str, Any]:
    """A prediction as plain data."""
    return RecordedPrediction(**row.model_dump()).model_dump(mode="json")


async def named_prediction(call: Call) -> PredictionRow:
    """The prediction that the address names.

    Raises
    ------
    NotFound : there is none
    """
    name = call.request.match_info["prediction_id"]
    row = None
    if _ID.fullmatch(name):
        row = await call.ask(usecases.find_prediction, name)
    if row is None:
        raise NotFound(
            "there is no prediction with this id.",
            fix="Use an id from the answer of POST /v1/predictions.",
        )
    return row
