"""Raw columns in the types that a model reads."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.infer import (
    MISSING_WORDS,
    nan_to_null,
    numeric_pattern,
    plain_numbers,
    refuse_infinite,
)
from churnkit.domain.columns import ModelInput
from churnkit.errors import BadValue


def model_column(
    values: pa.Array, column: ModelInput, *, mark: str, file: object, row_offset: int
) -> pa.Array:
    """A raw column as float64 (numbers, truth values as 0 and 1) or string (categories).

    Missing is null: blanks, not-a-number, and among numbers words such as "NA".

    Raises
    ------
    BadValue : a value that the column cannot hold; it names row and column
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    if pa.types.is_null(values.type):
        return values.cast(pa.string() if column.kind == "category" else pa.float64())
    where = _Where(column.name, file, row_offset)
    if column.kind == "category":
        return _category(values, where)
    if column.kind == "boolean" and pa.types.is_string(values.type):
        return _truth(values, where)
    numbers = _numbers(values, mark, where)
    if column.kind == "boolean":
        odd = pc.fill_null(pc.invert(pc.is_in(numbers, pa.array([0.0, 1.0]))), False)
        where.refuse(values, pc.and_(odd, pc.is_valid(numbers)), "is neither true nor false")
    return numbers


class _Where:
    """Where a bad value is."""

    def __init__(self, column: str, file: object, row_offset: int) -> None:
        self.column = column
        self.file = file
        self.row_offset = row_offset

    def refuse(self, values: pa.Array, bad: pa.Array, what: str) -> None:
        if not pc.any(bad).as_py():
            return
        position = pc.index(bad, True).as_py()
        raise BadValue(
            f"'{values[position].as_py()}' {what}.",
            fix="Mend the value, or leave the cell empty if it is not known.",
            file=self.file,
            row=position + self.row_offset,
            column=self.column,
        )

    def refuse_type(self, kind: pa.DataType, wanted: str) -> BadValue:
        return BadValue(
            f"the column holds {kind} where the model learnt {wanted}.",
            fix=f"Give it as {wanted}.",
            file=self.file,
            column=self.column,
        )


def _category(values: pa.Array, where: _Where) -> pa.Array:
    kind = values.type
    if pa.types.is_floating(kind):
        values = nan_to_null(values)
        whole = pc.equal(pc.floor(values), values)
        where.refuse(values, pc.invert(pc.fill_null(whole, True)), "is no category")
        refuse_infinite(values, where.column, file=where.file, row_offset=where.row_offset)
        values = values.cast(pa.int64(), safe=False)
        kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return values.cast(pa.string())
    if not pa.types.is_string(kind):
        raise where.refuse_type(kind, "text")
    blank = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(values), ""), False)
    if not pc.any(blank).as_py():
        return values
    return pc.if_else(blank, pa.scalar(None, pa.string()), values)


def _truth(values: pa.Array, where: _Where) -> pa.Array:
    text = _wordless(pc.utf8_lower(pc.utf8_trim_whitespace(values)))
    known = pc.is_in(text, pa.array(["true", "false", "0", "1"]))
    where.refuse(values, pc.and_(pc.is_valid(text), pc.invert(known)), "is neither true nor false")
    true = pc.is_in(text, pa.array(["true", "1"])).cast(pa.float64())
    return pc.if_else(pc.is_valid(text), true, pa.scalar(None, pa.float64()))


def _numbers(values: pa.Array, mark: str, where: _Where) -> pa.Array:
    kind = values.type
    if pa.types.is_boolean(kind):
        return values.cast(pa.int8()).cast(pa.float64())
    if pa.types.is_integer(kind):
        return values.cast(pa.float64(), safe=False)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = values.cast(pa.float64())
        refuse_infinite(numbers, where.column, file=where.file, row_offset=where.row_offset)
        return nan_to_null(numbers)
    if not pa.types.is_string(kind):
        raise where.refuse_type(kind, "a number")
    text = _wordless(pc.utf8_trim_whitespace(values))
    distinct = pc.drop_null(pc.unique(text))
    if not len(distinct):
        return text.cast(pa.float64())
    pattern = numeric_pattern(distinct, mark)
    if pattern is None:
        bad = _not_a_number(distinct, mark)
        infinite = bad.lower().lstrip("+-") in ("inf", "infinity")
        where.refuse(
            values,
            pc.fill_null(pc.equal(text, bad), False),
            "is infinite" if infinite else "is no number",
        )
    numbers = plain_numbers(text, pattern or "").cast(pa.float64())
    refuse_infinite(numbers, where.column, file=where.file, row_offset=where.row_offset)
    return numbers


def _not_a_number(distinct: pa.Array, mark: str) -> str:
    """The text that keeps a column from being numbers."""
    for value in distinct:
        if numeric_pattern(pa.array([value.as_py()]), mark) is None:
            return str(value.as_py())
    return str(distinct[len(distinct) - 1].as_py())  # numbers, but in several notations


def _wordless(text: pa.Array) -> pa.Array:
    absent = pc.is_in(pc.utf8_lower(text), pa.array(["", *MISSING_WORDS]))
    return pc.if_else(absent, pa.scalar(None, pa.string()), text)
