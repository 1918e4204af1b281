"""Where a page ends: a moment and an id, as a text that a client hands back."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime, timedelta

from churnkit.client.messages.problems import Fault
from churnkit_service.problems import RequestInvalid

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)


def write_cursor(at: datetime, name: str) -> str:
    """The cursor behind something that was made at a moment."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {name}".encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """What ``write_cursor`` was given.

    Raises
    ------
    RequestInvalid : it is no cursor
    """
    try:
        text = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True).decode()
        moment, name = text.split(" ")
        at = datetime.fromisoformat(moment)
        if at.utcoffset() != timedelta(0) or not _ID.fullmatch(name):
            raise ValueError
    except (binascii.Error, ValueError):
        fault = Fault(
            field="query.cursor", given=repr(cursor)[:60], expected="a cursor from the page before"
        )
        raise RequestInvalid("this is no cursor of ours.", faults=(fault,)) from None
    return at, name
