"""Numbers as whole numbers of their last decimal, so that sums do not depend on their order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.infer import MISSING_WORDS
from churnkit.data.zones import Flags, Ints
from churnkit.domain.events import MAX_DECIMALS

_LARGEST = 2**53
"""Up to here every whole number is a float64, and 1,000 of them still fit into BIGINT."""
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)$"
_SHORT = r"^[+-]?0*\d{0,9}\.?\d{0,6}$"
"""At most 15 digits that count: float64 tells all of them apart."""
_GROUPED = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$"


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A column of ``round(value * 10**decimals)``.

    ``scaled`` shape (n,), 0 where there is none; ``reasons`` maps a reason to the rows that
    cannot be used.
    """

    scaled: Ints
    missing: Flags
    reasons: dict[str, Flags]


def fixed_point(values: pa.Array, *, decimals: int, rounded: bool, mark: str = ".") -> FixedPoint:
    """Scale a column of numbers.

    A float counts as the shortest decimal that reads back as it (2.55, not 2.54999…).

    Parameters
    ----------
    values : numbers, truth values, or text
    decimals : how many are kept, in [0, 6]
    rounded : round values with more decimals half to even; otherwise they cannot be used
    mark : the decimal mark of text
    """
    kind = values.type
    n = len(values)
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_null(kind):
        return FixedPoint(np.zeros(n, np.int64), np.ones(n, np.bool_), {})
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
        kind = values.type
    if pa.types.is_integer(kind):
        missing = _flags(pc.is_null(values))
        large = _flags(pc.greater(pc.abs(values.cast(pa.float64(), safe=False)), _limit(decimals)))
        whole = pc.fill_null(values, 0).to_numpy(zero_copy_only=False)
        scaled = np.where(large, 0, whole).astype(np.int64) * 10**decimals
        return FixedPoint(scaled, missing, _with("is too large", large))
    if pa.types.is_floating(kind):
        missing = _flags(pc.is_null(values))
        floats = pc.fill_null(values, 0.0).to_numpy(zero_copy_only=False)
        if pa.types.is_float32(kind):
            # The shortest text of a float32 is the number that was meant.
            floats = pc.fill_null(values, 0.0).cast(pa.string()).cast(pa.float64()).to_numpy()
        nan = np.isnan(floats)
        scaled, more, large = _scaled(np.where(nan, 0.0, floats), decimals)
        if rounded and more.any():
            exact = [_exact(Decimal(repr(float(v))), decimals) for v in floats[more]]
            scaled[more] = [0 if value is None else value for value in exact]
            more[:] = False
        return FixedPoint(
            scaled,
            missing | nan,
            {**_with(f"has more than {decimals} decimals", more), **_with("is too large", large)},
        )
    if pa.types.is_decimal(kind):
        values = values.cast(pa.string())
        mark = "."
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        odd = _flags(pc.is_valid(values))
        return FixedPoint(np.zeros(n, np.int64), ~odd, _with("is no number", odd))
    return _from_text(pc.utf8_trim_whitespace(values.cast(pa.string())), decimals, rounded, mark)


def decimals_needed(values: pa.Array, *, mark: str = ".") -> tuple[int, bool]:
    """The fewest decimals that keep all numbers; whether some have more than six."""
    for decimals in range(MAX_DECIMALS + 1):
        read = fixed_point(values, decimals=decimals, rounded=False, mark=mark)
        if not any(reason.startswith("has more") for reason in read.reasons):
            return decimals, False
    return MAX_DECIMALS, True


def _from_text(text: pa.Array, decimals: int, rounded: bool, mark: str) -> FixedPoint:
    absent = pc.or_(pc.equal(text, ""), pc.is_in(pc.utf8_lower(text), pa.array(MISSING_WORDS)))
    missing = _flags(pc.fill_null(absent, True))
    if mark == ",":
        text = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
    else:
        grouped = pc.match_substring_regex(text, _GROUPED)
        text = pc.if_else(grouped, pc.replace_substring(text, ",", ""), text)
    text = pc.replace_substring_regex(text, r"^\+", "")
    short = _flags(
        pc.and_(pc.match_substring_regex(text, _PLAIN), pc.match_substring_regex(text, _SHORT))
    )
    short &= ~missing
    quick = pc.if_else(pa.array(short), text, "0").cast(pa.float64())
    scaled, more, large = _scaled(pc.fill_null(quick, 0.0).to_numpy(), decimals)
    none = np.zeros(len(text), np.bool_)
    odd = none.copy()
    slow = np.flatnonzero(~short & ~missing) if not rounded else np.flatnonzero(
        (~short & ~missing) | more
    )  # fmt: skip
    for place, value in zip(slow, text.take(pa.array(slow)).to_pylist(), strict=True):
        more[place] = large[place] = False
        try:
            number = Decimal(value)
        except InvalidOperation:
            odd[place] = True
            continue
        if not number.is_finite():
            odd[place] = True
            continue
        if abs(number) > _limit(decimals):
            large[place] = True
            continue
        exact = _exact(number, decimals)
        more[place] = not rounded and Decimal(exact).scaleb(-decimals) != number
        scaled[place] = exact
    return FixedPoint(
        scaled,
        missing,
        {
            **_with("is no number", odd),
            **_with(f"has more than {decimals} decimals", more),
            **_with("is too large", large),
        },
    )


def _scaled(floats: npt.NDArray[np.float64], decimals: int) -> tuple[Ints, Flags, Flags]:
    """Scaled values; where there are more decimals; where the value is too large or infinite."""
    factor = 10.0**decimals
    large = ~(np.abs(floats) <= _limit(decimals))
    usable = np.where(large, 0.0, floats)
    whole = np.rint(usable * factor)
    # Both are exact whole numbers, so that the quotient is the float nearest to the decimal.
    more = (whole / factor) != usable
    return whole.astype(np.int64), more, large


def _exact(number: Decimal, decimals: int) -> int:
    return int(number.scaleb(decimals).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def _limit(decimals: int) -> float:
    return float(_LARGEST // 10**decimals)


def _with(reason: str, where: Flags) -> dict[str, Flags]:
    return {reason: where} if where.any() else {}


def _flags(values: pa.Array) -> Flags:
    flags: Flags = pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(np.bool_)
    return flags
