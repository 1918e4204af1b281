"""Identifiers that sort by the time they were made (UUID version 7, RFC 9562)."""

from __future__ import annotations

import os

_RANDOM_BYTES = 10


def time_ordered_ids(n: int, now_ms: int) -> list[str]:
    """New identifiers of 32 hexadecimal digits; an index of them grows at its end.

    Parameters
    ----------
    n : how many
    now_ms : milliseconds since 1970, UTC
    """
    random = os.urandom(_RANDOM_BYTES * n).hex()
    head = f"{now_ms & 0xFFFFFFFFFFFF:012x}7"
    width = 2 * _RANDOM_BYTES
    return [
        # 62 of the 64 bits after the version's 12 are random; the first two are the variant.
        f"{head}{random[i : i + 3]}{_VARIANT[random[i + 3]]}{random[i + 4 : i + 19]}"
        for i in range(0, width * n, width)
    ]


_VARIANT = {digit: f"{int(digit, 16) & 0b0011 | 0b1000:x}" for digit in "0123456789abcdef"}
