"""Why a message is among the dead letters, as headers."""

from __future__ import annotations

from typing import Any

import orjson

from churnkit.errors import ChurnkitError
from churnkit_service.broker.delivery import Delivery
from churnkit_service.problems import CustomerErased, described


def about(delivery: Delivery, error: ChurnkitError) -> dict[str, str]:
    """Why a message is dead, as headers: one line of ASCII each."""
    problem = described(error, delivery.key)
    told: dict[str, Any] = problem.model_dump(mode="json")
    told["errors"] = told["errors"][:10]
    return {
        "Churnkit-Reason": problem.type.rpartition("/")[2],
        # JSON of ASCII characters only: escapes stand for the others, and for line ends.
        "Churnkit-Problem": ascii_json(told),
        "Churnkit-Message-Id": ascii_json(delivery.message_id[:200]),
        "Churnkit-Role": delivery.role,
        "Churnkit-Deliveries": str(delivery.deliveries),
    }


def letter(delivery: Delivery, error: ChurnkitError) -> tuple[bytes, dict[str, str]]:
    """What goes to the dead letters: the message as it came, but nothing of erased customers."""
    headers = about(delivery, error)
    if isinstance(error, CustomerErased):
        return b"", {**headers, "Churnkit-Body": "left out: a customer was erased"}
    return delivery.body, headers


def ascii_json(value: Any) -> str:
    """JSON text of ASCII characters on one line."""
    text = orjson.dumps(value).decode()
    return "".join(c if c < "\x7f" else c.encode("unicode_escape").decode() for c in text)
