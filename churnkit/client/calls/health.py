"""Requests about the service itself."""

from __future__ import annotations

from churnkit.client.call import Call
from churnkit.client.messages.health import Readiness


def ready() -> Call[Readiness]:
    """Whether the service takes requests; it is asked again until it does."""
    return Call("GET", "/readyz", Readiness)
