"""Columns of facts as text and numbers that do not depend on the kind of file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.codes import as_array
from churnkit.data.infer import CONTINENTAL, ENGLISH, MISSING_WORDS, PLAIN
from churnkit.data.raw_bytes import readable
from churnkit.data.zones import Flags
from churnkit.domain.events import AttributeKind

_WHOLE_BELOW = 2.0**53
SURE_SHARE = 0.95
"""So many of the values that are there must fit."""


def as_text(values: pa.Array) -> pa.Array:
    """Text without blanks around it; blank is null; 7.0 and 7 are both "7"."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
    values = readable(values)
    kind = values.type
    if pa.types.is_floating(kind):
        known = pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values)
        whole = pc.and_(
            pc.equal(pc.floor(known), known), pc.less(pc.abs(known), pa.scalar(_WHOLE_BELOW, kind))
        )
        whole = pc.fill_null(whole, False)
        integers = pc.if_else(whole, known, pa.scalar(None, kind)).cast(pa.int64())
        return pc.if_else(whole, integers.cast(pa.string()), known.cast(pa.string()))
    if pa.types.is_decimal(kind):
        text = values.cast(pa.string())
        has_point = pc.match_substring(text, ".")
        return pc.if_else(has_point, pc.replace_substring_regex(text, r"\.?0+$", ""), text)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        unit = pa.timestamp("us", tz=kind.tz if pa.types.is_timestamp(kind) else None)
        return values.cast(unit, safe=False).cast(pa.int64()).cast(pa.string())
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind) or pa.types.is_string(kind):
        text = pc.utf8_trim_whitespace(values.cast(pa.string()))
        return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return values.cast(pa.string())
    return pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string())


def one_table(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Batches of one source, whose columns may differ in type: those are text."""
    first = batches[0].schema
    for position, name in enumerate(first.names):
        kinds = {batch.schema.field(position).type for batch in batches}
        if len(kinds) > 1:
            batches = [
                batch.set_column(position, name, as_text(batch.column(position)))
                for batch in batches
            ]
    return pa.Table.from_batches(batches)


def attribute_kind(column: pa.ChunkedArray, mark: str) -> AttributeKind:
    """What a fact about customers is; a few broken values (5 %) do not hide it.

    Parameters
    ----------
    column : the first rows
    mark : the decimal mark of text
    """
    values = as_array(column)
    kind = values.type
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_integer(kind):
        numbers = pc.drop_null(values.cast(pa.float64(), safe=False))
        return "category" if _any(pc.greater(pc.abs(numbers), _WHOLE_BELOW)) else "number"
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return "category"
    there = pc.drop_null(without_words(as_text(values)))
    if not len(there):
        return "category"
    if _share(pc.is_in(pc.utf8_lower(there), pa.array(["true", "false"]))) >= SURE_SHARE:
        return "boolean"
    plain = _plain_numbers(there, mark)
    if _share(pc.is_valid(plain)) < SURE_SHARE:
        return "category"
    plain = pc.drop_null(plain)
    digits = pc.match_substring_regex(plain, r"^[+-]?\d+$")
    if _all(digits):
        # A code such as a postal code, or more digits than a number keeps: an account.
        large = pc.greater(pc.abs(plain.cast(pa.float64())), _WHOLE_BELOW)
        if _any(pc.match_substring_regex(plain, r"^[+-]?0\d")) or _any(large):
            return "category"
    return "number"


def as_double(values: pa.Array, mark: str = ".") -> tuple[pa.Array, Flags]:
    """Finite float64, null where there is none; and where a value is no such number.

    Parameters
    ----------
    mark : the decimal mark of text
    """
    kind = values.type
    none = np.zeros(len(values), np.bool_)
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_boolean(kind):
        values = values.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        text = without_words(as_text(values))
        values = _plain_numbers(text, mark)
        odd = pc.and_(pc.is_valid(text), pc.is_null(values))
        none = odd.to_numpy(zero_copy_only=False).astype(np.bool_)
    numbers = values.cast(pa.float64(), safe=False)
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    infinite = pc.fill_null(pc.is_inf(numbers), False)
    odd_numbers = infinite.to_numpy(zero_copy_only=False).astype(np.bool_)
    return pc.if_else(infinite, pa.scalar(None, pa.float64()), numbers), none | odd_numbers


def as_truth(values: pa.Array) -> tuple[pa.Array, Flags]:
    """Truth values, null where there is none; and where a value is neither true nor false."""
    text = without_words(pc.utf8_lower(as_text(values)))
    true, false = (pc.is_in(text, pa.array(words)) for words in (("true", "1"), ("false", "0")))
    odd = pc.and_(pc.is_valid(text), pc.invert(pc.or_(true, false)))
    truth = pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))
    return truth, odd.to_numpy(zero_copy_only=False).astype(np.bool_)


def without_words(text: pa.Array) -> pa.Array:
    """Text with words such as "NA" as null."""
    word = pc.is_in(pc.utf8_lower(text), pa.array(MISSING_WORDS))
    return pc.if_else(pc.fill_null(word, False), pa.scalar(None, pa.string()), text)


def _plain_numbers(text: pa.Array, mark: str) -> pa.Array:
    """Texts that are numbers, as arrow casts them; null where a text is none."""
    if mark == ",":
        found = pc.match_substring_regex(text, CONTINENTAL)
        ours = pc.replace_substring(pc.replace_substring(text, ".", ""), ",", ".")
        text = pc.if_else(found, ours, text)
    else:
        found = pc.match_substring_regex(text, ENGLISH)
        text = pc.if_else(found, pc.replace_substring(text, ",", ""), text)
    numeric = pc.fill_null(pc.match_substring_regex(text, PLAIN), False)
    return pc.replace_substring_regex(
        pc.if_else(numeric, text, pa.scalar(None, pa.string())), r"^\+", ""
    )


def _share(flags: pa.Array) -> float:
    return float(pc.mean(flags.cast(pa.int8())).as_py())


def _any(flags: pa.Array) -> bool:
    return bool(pc.any(flags).as_py())


def _all(flags: pa.Array) -> bool:
    return bool(pc.all(flags).as_py())
