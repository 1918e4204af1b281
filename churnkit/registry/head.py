"""The journal's end, signed with a key that is kept outside of the database."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import platformdirs

from churnkit.domain.models import Check, JournalEntry, JournalHead
from churnkit.errors import SettingsInvalid
from churnkit.registry.journal import GENESIS

VARIABLE = "CHURNKIT_JOURNAL_KEY"
_KEY_BYTES = 32


def sign_head(entries: Sequence[JournalEntry], *, key: bytes, at: datetime) -> JournalHead:
    """Sign how many rows there are, and the hash of the last one."""
    last = entries[-1].hash if entries else GENESIS
    return JournalHead(
        count=len(entries),
        hash=last,
        at=at,
        key_id=key_id(key),
        signature=_signature(len(entries), last, key),
    )


def check_head(
    entries: Sequence[JournalEntry], head: JournalHead, *, key: bytes
) -> tuple[Check, ...]:
    """Whether the journal still holds, and goes on from, what the head signed.

    A head that was exported earlier is as good as the newest: rows may have been added since.
    """
    subject = "journal's end"
    if head.key_id != key_id(key):
        detail = (
            f"signed with another key ({head.key_id}) than the one here ({key_id(key)}): "
            "a truncated or recomputed chain cannot be seen"
        )
        return (Check(subject=subject, state="unchecked", detail=detail),)
    if not hmac.compare_digest(head.signature, _signature(head.count, head.hash, key)):
        return (Check(subject=subject, state="failed", detail="the head's signature is wrong"),)
    if len(entries) < head.count:
        detail = f"{head.count - len(entries):,} rows are missing that were there at {head.at}"
        return (Check(subject=subject, state="failed", detail=detail),)
    found = entries[head.count - 1].hash if head.count else GENESIS
    if found != head.hash:
        detail = f"the chain up to row {head.count:,} is not the one that was signed"
        return (Check(subject=subject, state="failed", detail=detail),)
    detail = f"signed at row {head.count:,} on {head.at:%Y-%m-%d %H:%M} UTC"
    return (Check(subject=subject, state="ok", detail=detail),)


def load_key(environ: Mapping[str, str] = os.environ, *, create: bool) -> bytes | None:
    """The signing key: from CHURNKIT_JOURNAL_KEY (hex), or from the user's settings folder.

    Parameters
    ----------
    create : make one where there is none

    Returns
    -------
    key : None where there is none and none was to be made, or the folder cannot be written

    Raises
    ------
    SettingsInvalid : the variable or the file holds no key
    """
    given = environ.get(VARIABLE)
    if given:
        return _parsed(given, VARIABLE)
    path = Path(platformdirs.user_config_dir("churnkit")) / "journal.key"
    try:
        if path.exists():
            return _parsed(path.read_text(encoding="ascii"), str(path))
        if not create:
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        key = secrets.token_bytes(_KEY_BYTES)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another process was quicker
            return _parsed(path.read_text(encoding="ascii"), str(path))
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(key.hex() + "\n")
        return key
    except OSError:
        return None


def key_id(key: bytes) -> str:
    """A short name of a key that does not give it away."""
    return hashlib.sha256(b"churnkit journal key\n" + key).hexdigest()[:12]


def _signature(count: int, last: str, key: bytes) -> str:
    return hmac.new(key, f"{count}\n{last}".encode(), hashlib.sha256).hexdigest()


def _parsed(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) < 16:
        raise SettingsInvalid(
            "this is no signing key.",
            fix="A key is at least 32 hexadecimal digits.",
            source=where,
        )
    return key
