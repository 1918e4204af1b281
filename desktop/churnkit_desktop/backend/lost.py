"""A connection that is lost for a while."""

from __future__ import annotations

from churnkit.errors import ServiceUnreachable


class ConnectionLost(ServiceUnreachable):
    """The service does not answer now; the console tries again by itself."""
