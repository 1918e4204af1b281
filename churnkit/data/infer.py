"""Types from raw columns: numbers in any notation, truth values, dates, categories."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.domain.columns import LARGEST, ColumnKind
from churnkit.errors import BadValue

MISSING_WORDS = ("na", "n/a", "#n/a", "nan", "null", "none", "nil", "?", "-", "--")
"""Read as missing among numbers, dates and truth values; among texts they are kept."""

PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
# A thousand is not written 0,001: that is a decimal comma.
ENGLISH = r"^[+-]?([1-9]\d{0,2}(,\d{3})+|\d+)(\.\d*)?$"
CONTINENTAL = r"^[+-]?([1-9]\d{0,2}(\.\d{3})+|\d+)(,\d+)?$"
_ONLY_CONTINENTAL = (
    r"^[+-]?([1-9]\d{0,2}(\.\d{3})+|\d+),(\d{1,2}|\d{4,})$|\.\d{3},\d+$"
    r"|^[+-]?0\d*,\d+$|^[+-]?\d{4,},\d+$"
)
_WHOLE = r"^[+-]?\d{1,18}$"
_LEADING_ZERO = r"^[+-]?0\d"
_INFINITE = r"^[+-]?(?i:inf|infinity)$"
_ZONED = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)$"
_ISO = r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?$"
_DAY, _MONTH, _YEAR = r"(0?[1-9]|[12]\d|3[01])", r"(0?[1-9]|1[0-2])", r"(\d{4})"
_DATE_FORMATS = {
    rf"^{_YEAR}/{_MONTH}/{_DAY}$": r"\1-\2-\3",
    rf"^{_DAY}\.{_MONTH}\.{_YEAR}$": r"\3-\2-\1",
    rf"^{_DAY}/{_MONTH}/{_YEAR}$": r"\3-\2-\1",
    rf"^{_MONTH}/{_DAY}/{_YEAR}$": r"\3-\1-\2",
}
_EXACT = 2**53
INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Typed:
    """A column with its type; missing is null.

    ``blanks`` counts blank texts, ``missing_words`` are the words that were read as missing.
    """

    values: pa.ChunkedArray
    kind: ColumnKind
    blanks: int = 0
    missing_words: tuple[str, ...] = ()


def decimal_mark(columns: Iterable[pa.ChunkedArray]) -> str:
    """``,`` if some value can be read in no other way ("12,5"), otherwise ``.``.

    One mark holds for a whole file: then "1.234" is a thousand where commas are decimal.
    """
    for column in columns:
        if not pa.types.is_string(column.type):
            continue
        values = pc.drop_null(pc.unique(pc.utf8_trim_whitespace(column)))
        values = values.filter(
            pc.invert(pc.is_in(pc.utf8_lower(values), pa.array(["", *MISSING_WORDS])))
        )
        if _all(values, CONTINENTAL, PLAIN) and _any(values, _ONLY_CONTINENTAL):
            return ","
    return "."


def typed_column(
    values: pa.ChunkedArray, name: str, *, mark: str, file: object, row_offset: int
) -> Typed:
    """Give a raw column its type.

    Parameters
    ----------
    values : text as it is in the file, or a native type
    mark : the file's decimal mark
    row_offset : what makes a position (from 0) a row in messages

    Raises
    ------
    BadValue : an infinite number
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        values = values.cast(pa.string())
        kind = values.type
    if pa.types.is_string(kind):
        return _typed_text(values, name, mark, file, row_offset)
    if pa.types.is_boolean(kind):
        return Typed(values, "boolean")
    if pa.types.is_integer(kind):
        ends = pc.min_max(values).as_py()
        if max(abs(ends["min"] or 0), abs(ends["max"] or 0)) > _EXACT:
            return Typed(values.cast(pa.string()), "category")  # as from a CSV
        return Typed(values.cast(pa.int64()), "number")
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = values.cast(pa.float64())
        refuse_infinite(numbers, name, file=file, row_offset=row_offset)
        return Typed(nan_to_null(numbers), "number")
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Typed(_instants(values), "time")
    if pa.types.is_null(kind):
        return Typed(values.cast(pa.string()), "category")
    return Typed(pa.chunked_array([pa.array([_shown(v) for v in values.to_pylist()])]), "category")


def _typed_text(
    values: pa.ChunkedArray, name: str, mark: str, file: object, row_offset: int
) -> Typed:
    trimmed = pc.utf8_trim_whitespace(values)
    blank = pc.fill_null(pc.equal(trimmed, ""), False)
    blanks = pc.sum(blank).as_py() or 0
    filled = pc.if_else(blank, pa.scalar(None, pa.string()), trimmed)
    distinct = pc.drop_null(pc.unique(filled))
    lowered = pc.utf8_lower(distinct)
    is_word = pc.is_in(lowered, pa.array(MISSING_WORDS))
    words = tuple(sorted(distinct.filter(is_word).to_pylist()))
    rest = distinct.filter(pc.invert(is_word))
    text = Typed(pc.if_else(blank, pa.scalar(None, pa.string()), values), "category", blanks=blanks)
    if not len(rest):
        return text
    wordless = filled
    if words:
        wordless = pc.if_else(
            pc.is_in(filled, pa.array(words)), pa.scalar(None, pa.string()), filled
        )
    if _any(rest, _INFINITE):
        finite = rest.filter(pc.invert(pc.match_substring_regex(rest, _INFINITE)))
        if len(finite) and numeric_pattern(finite, mark) is not None:
            found = pc.index(pc.fill_null(pc.match_substring_regex(filled, _INFINITE), False), True)
            raise _infinite(name, filled[found.as_py()].as_py(), found.as_py(), file, row_offset)
        return text
    if _all(pc.utf8_lower(rest), r"^(true|false)$"):
        return Typed(pc.equal(pc.utf8_lower(wordless), "true"), "boolean", blanks, words)
    pattern = numeric_pattern(rest, mark)
    if pattern is not None:
        if _any(rest, _LEADING_ZERO) and _all(rest, r"^\d+$"):
            return text  # a code such as a postal code: its zeros mean something
        plain = plain_numbers(wordless, pattern)
        if _all(rest, _WHOLE):
            whole = plain.cast(pa.int64())
            if pc.max(pc.abs(whole)).as_py() <= _EXACT:
                return Typed(whole, "number", blanks, words)
            return text  # more digits than a number keeps: an account, a phone
        if _all(rest, r"^[+-]?\d+$"):
            return text
        numbers = plain.cast(pa.float64())
        refuse_infinite(numbers, name, file=file, row_offset=row_offset)  # such as 1e999
        return Typed(numbers, "number", blanks, words)
    moments = _parsed_dates(wordless, rest)
    if moments is not None:
        return Typed(moments, "time", blanks, words)
    return text


def numeric_pattern(values: pa.Array, mark: str) -> str | None:
    """The notation that all the texts are numbers in, or None."""
    patterns = (CONTINENTAL, PLAIN) if mark == "," else (PLAIN, ENGLISH)
    return next((pattern for pattern in patterns if _all(values, pattern)), None)


def plain_numbers(values: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    """Texts in a notation as texts that arrow can cast to numbers."""
    if pattern == ENGLISH:
        values = pc.replace_substring(values, ",", "")
    elif pattern == CONTINENTAL:
        values = pc.replace_substring(pc.replace_substring(values, ".", ""), ",", ".")
    return pc.replace_substring_regex(values, r"^\+", "")


def refuse_infinite(
    numbers: pa.ChunkedArray | pa.Array, name: str, *, file: object, row_offset: int
) -> None:
    """Raise BadValue at the first number that is infinite, or larger than a model can read."""
    infinite = pc.fill_null(pc.greater(pc.abs(numbers), LARGEST), False)
    if pc.any(infinite).as_py():
        position = pc.index(infinite, True).as_py()
        raise _infinite(name, numbers[position].as_py(), position, file, row_offset)


def nan_to_null(numbers: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Not-a-number is how some programs write 'missing'."""
    if not pc.any(pc.is_nan(numbers)).as_py():
        return numbers
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, numbers.type), numbers)


def _infinite(name: str, value: object, position: int, file: object, row_offset: int) -> BadValue:
    finite = isinstance(value, float) and math.isfinite(value)
    return BadValue(
        f"the number '{value}' is {'too large for a model' if finite else 'infinite'}.",
        fix="Leave the cell empty if the value is not known.",
        file=file,
        row=position + row_offset,
        column=name,
    )


def _instants(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("us"))
    if values.type.tz is None:
        return pc.assume_timezone(values.cast(pa.timestamp("us"), safe=False), "UTC")
    return values.cast(INSTANT, safe=False)


def _parsed_dates(values: pa.ChunkedArray, distinct: pa.Array) -> pa.ChunkedArray | None:
    if _all(distinct, _ZONED):
        return _try_cast(values, INSTANT)
    if _all(distinct, _ISO):
        moments = _try_cast(values, pa.timestamp("us"))
        return None if moments is None else pc.assume_timezone(moments, "UTC")
    read = [
        form
        for form in _DATE_FORMATS
        if _all(distinct, form) and _iso_dates(distinct, form) is not None
    ]
    # 03/04 may be March or April: only dates that fit one format are dates.
    if len(read) != 1:
        return None
    return pc.assume_timezone(_iso_dates(values, read[0]), "UTC")


def _iso_dates(values: pa.Array | pa.ChunkedArray, form: str) -> pa.Array | pa.ChunkedArray | None:
    """Dates by way of ISO text: arrow's strptime would read 31 February as 2 March."""
    iso = pc.replace_substring_regex(values, form, _DATE_FORMATS[form])
    iso = pc.replace_substring_regex(iso, r"-(\d)-", r"-0\1-")
    iso = pc.replace_substring_regex(iso, r"-(\d)$", r"-0\1")
    return _try_cast(iso, pa.timestamp("us"))


def _try_cast(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    try:
        return values.cast(kind)
    except pa.ArrowInvalid:  # the 30th of February
        return None


def _all(values: pa.Array, *patterns: str) -> bool:
    matched = pc.match_substring_regex(values, patterns[0])
    for pattern in patterns[1:]:
        matched = pc.or_(matched, pc.match_substring_regex(values, pattern))
    return bool(pc.all(matched).as_py())


def _any(values: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())


def _shown(value: object) -> str | None:
    return None if value is None else re.sub(r"\s+", " ", str(value))
