"""Where a page ends, as a text that a client hands back; mostly a moment and a name."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from churnkit.client.messages.problems import Fault
from churnkit_service.problems import RequestInvalid

T = TypeVar("T")
IDS = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
"""Names that churnkit gives."""
NAMES = re.compile(r"[^\x00]{1,64}", re.DOTALL)
"""Names that somebody else may have given."""


def write_cursor(at: datetime, name: str) -> str:
    """The cursor behind something that was made at a moment."""
    return encode(f"{at.isoformat()} {name}".encode())


def read_cursor(cursor: str, names: re.Pattern[str] = IDS) -> tuple[datetime, str]:
    """What ``write_cursor`` was given.

    Raises
    ------
    RequestInvalid : it is no cursor
    """

    def read(content: bytes) -> tuple[datetime, str]:
        moment, _, name = content.decode().partition(" ")
        at = datetime.fromisoformat(moment)
        if at.utcoffset() != timedelta(0) or not names.fullmatch(name):
            raise ValueError
        return at, name

    return decode(cursor, read)


def encode(content: bytes) -> str:
    """Bytes as a cursor."""
    return base64.urlsafe_b64encode(content).decode()


def decode(
    cursor: str, read: Callable[[bytes], T], *, expected: str = "a cursor from the page before"
) -> T:
    """What ``encode`` was given.

    Parameters
    ----------
    read : reads the bytes; a ValueError says that they are none of ours

    Raises
    ------
    RequestInvalid : it is no cursor
    """
    try:
        return read(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
    except ValueError:
        fault = Fault(field="query.cursor", given=repr(cursor)[:60], expected=expected)
        raise RequestInvalid("this is no cursor of ours.", faults=(fault,)) from None
