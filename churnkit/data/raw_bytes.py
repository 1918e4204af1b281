"""Bytes where text is meant: some programs do not mark text as text, and some ids are bytes."""

from __future__ import annotations


def text_of(value: bytes) -> str:
    """The text that the bytes are in UTF-8; otherwise their hexadecimal digits."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()
