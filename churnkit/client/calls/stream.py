"""Messages for the WebSocket that scores."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from churnkit.client.call import new_key
from churnkit.client.calls.predictions import predict
from churnkit.client.messages.stream import StreamRequest


def stream_request(
    customers: Mapping[str, Mapping[str, Any] | None],
    *,
    id: str | None = None,
    as_of: datetime | None = None,
    reasons: int = 0,
    on_error: Literal["fail", "skip"] = "fail",
    idempotency_key: str | None = None,
) -> StreamRequest:
    """A message that scores customers; see ``calls.predictions.predict``.

    Parameters
    ----------
    id : comes back with the answer; None: a new one
    """
    call = predict(customers, as_of=as_of, reasons=reasons, on_error=on_error)
    assert call.body is not None
    return StreamRequest(
        **{name: getattr(call.body, name) for name in call.body.model_fields_set},
        id=id or new_key(),
        idempotency_key=idempotency_key or call.idempotency_key,
    )
