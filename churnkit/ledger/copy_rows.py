"""Predictions as COPY's binary format, built by hand: most of a row is the same in all rows.

The format is that of PostgreSQL's documentation, "COPY", "Binary Format": a signature, then for
each row the number of fields and each field with its length, in network order; -1 is null.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from churnkit.domain.recording import PredictionColumns

COLUMNS = (
    "prediction_id",
    "customer_id",
    "probability",
    "reasons",
    "unknown_categories",
    "shadow_of",
    "risk_band",
    "model_version",
    "variant",
    "made_at",
    "as_of",
    "request_id",
    "rollout_id",
)
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_FIELDS = struct.pack("!h", len(COLUMNS))
_NULL = b"\xff\xff\xff\xff"
_FLOAT = struct.Struct("!id").pack
_LENGTH = struct.Struct("!i").pack
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def binary_rows(parts: Iterable[PredictionColumns]) -> bytes:
    """All rows of the parts, in the order of ``COLUMNS``."""
    pieces = [_SIGNATURE]
    for part in parts:
        ends = {band: _end(part, band) for band in set(part.risk_bands)}
        pieces += [
            piece
            for name, customer, probability, middle, band in zip(
                map(str.encode, part.prediction_ids),
                map(str.encode, part.customer_ids),
                part.probabilities,
                _middles(part),
                part.risk_bands,
                strict=True,
            )
            for piece in (
                _FIELDS,
                _LENGTH(len(name)),
                name,
                _LENGTH(len(customer)),
                customer,
                _FLOAT(8, probability),
                middle,
                ends[band],
            )
        ]
    pieces.append(_END)
    return b"".join(pieces)


def _middles(part: PredictionColumns) -> Iterator[bytes]:
    """Of each row: reasons, unknown categories, and whom it shadows."""
    shadowed: Sequence[str | None] = part.shadow_of or [None] * len(part)
    rows = list(zip(part.reasons, part.unknown_categories, shadowed, strict=True))
    known = {row: b"".join(map(_text, row)) for row in set(rows)}
    return map(known.__getitem__, rows)


def _end(part: PredictionColumns, band: str) -> bytes:
    """What all rows of a risk band have in common."""
    return b"".join(
        (
            _text(band),
            _text(part.model_version),
            _text(part.variant),
            _moment(part.made_at),
            _moment(part.as_of),
            _text(part.request_id),
            _text(part.rollout_id),
        )
    )


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    content = value.encode()
    return _LENGTH(len(content)) + content


def _moment(value: datetime | None) -> bytes:
    """Microseconds since 2000."""
    if value is None:
        return _NULL
    since = value - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    return struct.pack("!iq", 8, 1_000_000 * seconds + since.microseconds)
