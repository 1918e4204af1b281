"""How the service is."""

from __future__ import annotations

from typing import Literal

from churnkit.client.messages.message import Answer


class Health(Answer):
    """The process answers."""

    status: Literal["ok"]


class Checks(Answer):
    """What readiness depends on."""

    database: bool
    model: bool
    draining: bool


class Readiness(Answer):
    """Whether requests should be sent here."""

    status: Literal["ready", "not ready"]
    checks: Checks
    model_version: str | None
