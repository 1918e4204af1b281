"""Values that stand for 'not known' although something is written there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_WORDS = frozenset(
    "unknown|unk|n/a|na|n.a.|#n/a|nan|null|nil|none|missing|not available|not applicable|"
    "not specified|unspecified|undefined|not given|not known|?|??|???|-|--|.|(blank)|"
    "<na>|unbekannt|k.a.|inconnu|desconocido".split("|")
)
_LOW = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, -999999.0)
_HIGH = (99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0)
_FREQUENT = 5


def is_missing_word(text: str) -> bool:
    """Whether a text reads as 'not known': ``Unknown``, ``N/A``, ``?``, …"""
    return text.strip().casefold() in _WORDS


def sentinel(values: npt.NDArray[np.float64]) -> tuple[float, int] | None:
    """A number such as -999 that stands apart from all others, with its count.

    It is the lowest value and the only negative one, or the highest and farther from the next
    one than all others are from each other; and it occurs at least 5 times.

    Parameters
    ----------
    values : shape (n,), finite
    """
    if len(values) < 2 * _FREQUENT:
        return None
    low, high = float(values.min()), float(values.max())
    found = None
    if low in _LOW:
        others = values[values != low]
        if len(others) and others.min() >= 0:
            found = low
    if found is None and high in _HIGH:
        others = values[values != high]
        if len(others) and high - others.max() > others.max() - min(others.min(), 0.0):
            found = high
    if found is None:
        return None
    count = int((values == found).sum())
    return (found, count) if count >= _FREQUENT else None
