"""Heads of requests for predictions in the one form that most clients send.

This is no parser of HTTP. It says yes to what can be read in one way only, and leaves everything
else to aiohttp: any other header that changes how a message is framed or answered, a header given
twice, a character that the grammar (RFC 9112) does not have in that place.
"""

from __future__ import annotations

import re
from typing import NamedTuple

START = b"POST /v1/predictions HTTP/1.1\r\n"
END = b"\r\n\r\n"
LONGEST_HEAD = 4_096
_HEAD = re.compile(
    rb"POST /v1/predictions HTTP/1\.1(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*)+"
)
_LENGTH = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_OURS = frozenset(
    {"authorization", "connection", "content-length", "content-type", "host", "x-request-id"}
)
_NOT_PLAIN = frozenset(
    {
        "content-encoding",
        "expect",
        "idempotency-key",
        "origin",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class Head(NamedTuple):
    """What a plain head says."""

    length: int
    """Of the body, in bytes."""
    authorization: str
    request_id: str | None


def read_head(head: bytes) -> Head | None:
    """Read a head, without the empty line at its end; None: it is not plain."""
    if len(head) > LONGEST_HEAD or _HEAD.fullmatch(head) is None:
        return None
    ours: dict[str, str] = {}
    for line in head.decode("ascii").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        name = name.lower()
        if name in _OURS:
            if name in ours:
                return None
            ours[name] = value.strip(" \t")
        elif name in _NOT_PLAIN:
            return None
    if "host" not in ours or "authorization" not in ours:
        return None
    if ours.get("content-type") != "application/json":
        return None
    if ours.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    length = ours.get("content-length", "")
    if _LENGTH.fullmatch(length) is None:
        return None
    return Head(int(length), ours["authorization"], ours.get("x-request-id"))
