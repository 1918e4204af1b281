"""Bytes where text is meant: some programs do not mark text as text, and some ids are bytes."""

from __future__ import annotations

import pyarrow as pa


def text_of(value: bytes) -> str:
    """The text that the bytes are in UTF-8; otherwise their hexadecimal digits."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()


def readable(values: pa.Array) -> pa.Array:
    """Bytes as text, and half floats as floats, which more of arrow's functions know."""
    kind = values.type
    if pa.types.is_dictionary(kind) and not pa.types.is_string(kind.value_type):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_float16(kind):
        return values.cast(pa.float32())
    if not (
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    ):
        return values
    texts = [None if value is None else text_of(value) for value in values.to_pylist()]
    return pa.array(texts, pa.string())
