"""From a customer's raw values to the model's vector, without pandas.

Entry i of the vector belongs to ``schema.inputs[i]``: numbers and booleans are themselves,
categories their position in the schema; missing, unseen and rare become NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import repeat
from numbers import Real
from operator import getitem, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.columns import LARGEST, ModelInput, ModelSchema
from churnkit.domain.predictions import FieldFault
from churnkit.errors import BadValue, ColumnMissing, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]
_Taken = Callable[[Any], Any]
_NAN = math.nan
_SHOWN = 60
_EXACT = 2**53
_BY_COLUMN_FROM_ROWS = 8
_TEXTS = {str, type(None)}
_NUMBERS = {int, float, type(None)}


class RowEncoder:
    """Encodes rows for one model.

    Parameters
    ----------
    schema : what the model reads
    """

    def __init__(self, schema: ModelSchema) -> None:
        self.schema = schema
        self._plan: list[tuple[str, str, dict[str, float]]] = [
            (c.name, c.kind, {word: float(code) for code, word in enumerate(c.categories)})
            for c in schema.inputs
        ]
        # One call for all of a row's cells; of a single column it would give no tuple.
        self._cells = itemgetter(*self.schema.names()) if schema.inputs else len
        self._others = [(name, kind) for name, kind, _ in self._plan if kind != "category"]
        self._quick = self._quick_way()

    def _quick_way(self) -> tuple[list[dict[object, float]], _Taken, _Taken] | None:
        """Codes and cells of the categories, and what puts them behind the others in order.

        None: there are too few of them.
        """
        named = [(name, codes) for name, kind, codes in self._plan if kind == "category"]
        if len(named) < 2:
            return None
        names = [name for name, _ in named]
        places = [*(name for name, _ in self._others), *names]
        codes = [{**codes, None: _NAN} for _, codes in named]
        in_order = itemgetter(*(places.index(name) for name in self.schema.names()))
        return codes, itemgetter(*names), in_order

    @property
    def n_inputs(self) -> int:
        """The length of the vector."""
        return len(self._plan)

    def encode(self, row: Mapping[str, object]) -> Floats:
        """One row as a vector of shape (n_inputs,).

        Raises
        ------
        ColumnMissing : the row lacks a column (a missing value is None or NaN, not absent)
        BadValue : a value that its column cannot hold
        """
        return np.array(self.values(row), dtype=np.float64)

    def encode_rows(self, rows: Sequence[Mapping[str, object]]) -> Floats:
        """Rows as a matrix of shape (n, n_inputs); errors name the row, counted from 1."""
        if len(rows) >= _BY_COLUMN_FROM_ROWS and len(self._plan) > 1:
            try:
                return self._by_column(rows)
            except (BadValue, ColumnMissing, KeyError, OverflowError):
                pass  # row by row, to name the row
        X = np.empty((len(rows), len(self._plan)), dtype=np.float64)
        for i, row in enumerate(rows):
            try:
                X[i] = self.values(row)
            except (BadValue, ColumnMissing) as error:
                raise type(error)(
                    error.what, fix=error.fix, **{"row": i + 1, **error.where}
                ) from error
        return X

    def encode_arrow(self, columns: Mapping[str, pa.Array]) -> Floats:
        """Columns as a matrix of shape (n, n_inputs), C-contiguous; null is missing.

        Parameters
        ----------
        columns : for numbers and booleans, arrays of numbers or booleans; for categories, text

        Raises
        ------
        ColumnMissing, BadValue : as for ``encode``; BadValue names the row, counted from 1
        """
        arrays = [self._column(columns, name) for name, _, _ in self._plan]
        X = np.empty((len(arrays[0]) if arrays else 0, len(arrays)), dtype=np.float64)
        for i, (array, column) in enumerate(zip(arrays, self.schema.inputs, strict=True)):
            if column.kind == "category":
                X[:, i] = _codes(array, column)
            else:
                X[:, i] = _numbers(array, column)
        return X

    def faults(self, row: Mapping[str, object]) -> tuple[FieldFault, ...]:
        """All columns of a row that ``encode`` would refuse; it names the first only."""
        found: list[FieldFault] = []
        for column in self.schema.inputs:
            if column.name not in row:
                fix = _missing(column.name, row).fix
                found.append(
                    FieldFault(field=column.name, given=None, expected=_expected(column), fix=fix)
                )
                continue
            value = row[column.name]
            try:
                if column.kind == "category":
                    _code(value, dict.fromkeys(column.categories, 0.0), column.name)
                else:
                    _number(value, column.name, column.kind)
            except BadValue as error:
                found.append(
                    FieldFault(
                        field=column.name,
                        given=_shown(value),
                        expected=_expected(column),
                        fix=error.fix,
                    )
                )
        return (*found, *self.strange(row))

    def strange(self, row: Mapping[str, object]) -> tuple[FieldFault, ...]:
        """Values of columns that the model does not read and that no column could hold."""
        if len(row) <= len(self._plan):
            return ()  # all of its columns are there, or one is missing
        names = {name for name, _, _ in self._plan}
        return tuple(
            FieldFault(
                field=name,
                given=_shown(value),
                expected="a text, a number, true, false or null; the model does not read it",
                fix="Leave it out.",
            )
            for name, value in row.items()
            if name not in names and not (value is None or isinstance(value, str | int | float))
        )

    def unseen(self, row: Mapping[str, object]) -> tuple[str, ...]:
        """The columns whose category (not missing) the model does not know."""
        return tuple(
            name
            for name, kind, codes in self._plan
            if kind == "category"
            and not is_missing(value := row.get(name))
            and str(value) not in codes
        )

    def unseen_arrow(self, columns: Mapping[str, pa.Array]) -> dict[str, dict[str, int]]:
        """For each column with unknown categories, how often each of them occurs."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found: dict[str, dict[str, int]] = {}
        for column in self.schema.inputs:
            if column.kind != "category":
                continue
            array = self._column(columns, column.name)
            if pa.types.is_null(array.type):
                continue
            known = pc.is_in(array, value_set=pa.array(column.categories, type=pa.string()))
            strange = array.filter(pc.and_(pc.is_valid(array), pc.invert(known)))
            if len(strange):
                counts = strange.value_counts().to_pylist()
                found[column.name] = {str(c["values"]): int(c["counts"]) for c in counts}
        return found

    def unseen_rows(self, columns: Mapping[str, pa.Array]) -> dict[int, tuple[str, ...]]:
        """By row, the columns whose category (not missing) the model does not know."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found: dict[int, tuple[str, ...]] = {}
        for column in self.schema.inputs:
            array = self._column(columns, column.name)
            if column.kind != "category" or pa.types.is_null(array.type):
                continue
            known = pc.is_in(array, value_set=pa.array(column.categories, type=pa.string()))
            strange = pc.and_(pc.is_valid(array), pc.invert(known))
            for i in np.flatnonzero(strange.to_numpy(zero_copy_only=False)).tolist():
                found[i] = (*found.get(i, ()), column.name)
        return found

    def values(self, row: Mapping[str, object]) -> Sequence[float]:
        """One row as n_inputs numbers; see ``encode``."""
        if self._quick is None:
            return self._values(row)
        codes, categories, in_order = self._quick
        try:
            # Known categories, all in one step.
            coded = map(getitem, codes, categories(row))
            values: Sequence[float] = in_order((*self._numbers(row), *coded))
        except (KeyError, TypeError, BadValue):
            return self._values(row)  # takes what is unknown, and names the first that is wrong
        return values

    def _numbers(self, row: Mapping[str, object]) -> list[float]:
        values: list[float] = []
        for name, kind in self._others:
            value = row[name]
            if kind == "number" and type(value) is float and -LARGEST <= value <= LARGEST:
                values.append(value)  # the common case: no NaN, and not too large
            elif kind == "number" and type(value) is int and -_EXACT < value < _EXACT:
                values.append(float(value))
            else:
                values.append(_number(value, name, kind))
        return values

    def _values(self, row: Mapping[str, object]) -> list[float]:
        """The same, one cell after the other: names what is wrong."""
        values: list[float] = []
        for name, kind, codes in self._plan:
            try:
                value = row[name]
            except KeyError:
                raise _missing(name, row) from None
            if kind == "category":
                if type(value) is str:
                    values.append(codes.get(value, _NAN))
                else:
                    values.append(_code(value, codes, name))
            elif kind == "number" and type(value) is float and -LARGEST <= value <= LARGEST:
                values.append(value)  # the common case: no NaN, and not too large
            elif kind == "number" and type(value) is int and -_EXACT < value < _EXACT:
                values.append(float(value))
            else:
                values.append(_number(value, name, kind))
        return values

    def _by_column(self, rows: Sequence[Mapping[str, object]]) -> Floats:
        """Rows as a matrix; a column whose values are of plain types is taken as a whole."""
        n = len(rows)
        X = np.empty((len(self._plan), n), dtype=np.float64).T  # each column is one piece
        columns = zip(*map(self._cells, rows), strict=True)
        for j, ((name, kind, codes), cells) in enumerate(zip(self._plan, columns, strict=True)):
            types = set(map(type, cells))
            if kind == "category":
                if types <= _TEXTS:
                    X[:, j] = np.fromiter(map(codes.get, cells, repeat(_NAN)), np.float64, n)
                else:
                    X[:, j] = [_code(cell, codes, name) for cell in cells]
                continue
            if kind == "number" and types <= _NUMBERS:
                X[:, j] = cells  # None becomes NaN
                if not (np.abs(X[:, j]) > LARGEST).any():
                    continue
            X[:, j] = [_number(cell, name, kind) for cell in cells]
        return X

    def _column(self, columns: Mapping[str, pa.Array], name: str) -> pa.Array:
        try:
            column = columns[name]
        except KeyError:
            raise _missing(name, columns) from None
        return column.combine_chunks() if hasattr(column, "combine_chunks") else column


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _expected(column: ModelInput) -> str:
    if column.kind == "number":
        return "a finite number, or null"
    if column.kind == "boolean":
        return "true or false, or null"
    return "a text, or null"


def _missing(name: str, row: Mapping[str, object]) -> ColumnMissing:
    return ColumnMissing(
        "the model needs this column, and it is not there.",
        fix=f"{did_you_mean(name, row)} Give None for a value that is not known.",
        column=name,
    )


def is_missing(value: object) -> bool:
    """None, NaN, and what pandas writes for them."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)


def _number(value: object, name: str, kind: str) -> float:
    """A number or a boolean as a float, None and NaN as NaN."""
    if is_missing(value):
        return _NAN
    if isinstance(value, bool | np.bool_):
        return float(value)
    if isinstance(value, Real | Decimal):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isnan(number):
            return _NAN
        if abs(number) <= LARGEST and (kind == "number" or number in (0.0, 1.0)):
            return number
        if kind == "number" and (math.isfinite(number) or isinstance(value, int | Decimal)):
            raise BadValue(
                f"{number:g} is too large for a model: they read numbers up to {LARGEST:.3g}.",
                fix="Give the number in a larger unit, or None when it is not known.",
                column=name,
            )
    wanted = "a finite number" if kind == "number" else "true or false"
    raise BadValue(
        f"{value!r} is not {wanted}.",
        fix=f"Give {wanted}, or None when it is not known.",
        column=name,
    )


def _code(value: object, codes: dict[str, float], name: str) -> float:
    """The code of a category that was not given as a plain text."""
    if is_missing(value):
        return _NAN
    if isinstance(value, str):
        return codes.get(value, _NAN)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        code = codes.get(str(value))
        if code is not None:
            return code
    raise BadValue(
        f"{value!r} is not a text.",
        fix="Give one of the column's categories as text, or None when it is not known.",
        column=name,
    )


def _numbers(array: pa.Array, column: ModelInput) -> Floats:
    import pyarrow as pa

    of_numbers = (
        pa.types.is_floating(array.type)
        or pa.types.is_integer(array.type)
        or pa.types.is_boolean(array.type)
        or pa.types.is_decimal(array.type)
        or pa.types.is_null(array.type)
    )
    if not of_numbers:
        first = next((value for value in array.to_pylist() if value is not None), None)
        if first is None:
            return np.full(len(array), _NAN)
        _number(first, column.name, column.kind)  # text: raises, with the column's name
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    values: Floats = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
    bad = np.abs(values) > LARGEST
    if column.kind == "boolean":
        bad |= ~(np.isnan(values) | (values == 0.0) | (values == 1.0))
    if bad.any():
        row = int(np.argmax(bad))
        raise _at_row(values[row].item(), column, row)
    return values


def _codes(array: pa.Array, column: ModelInput) -> Floats:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(array.type):
        return np.full(len(array), _NAN)
    if pa.types.is_integer(array.type):
        array = array.cast(pa.string())
    text = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if not (pa.types.is_string(text) or pa.types.is_large_string(text)):
        first = next((i for i, value in enumerate(array.to_pylist()) if value is not None), None)
        if first is None:
            return np.full(len(array), _NAN)
        raise BadValue(
            f"the column holds {array.type}, not text.",
            fix="Give the column's categories as text.",
            row=first + 1,
            column=column.name,
        )
    if pa.types.is_dictionary(array.type):
        array = array.cast(text)
    codes = pc.index_in(array, value_set=pa.array(column.categories, type=text))
    result: Floats = codes.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return result


def _at_row(value: Any, column: ModelInput, row: int) -> BadValue:
    try:
        _number(value, column.name, column.kind)
    except BadValue as error:
        return BadValue(error.what, fix=error.fix, row=row + 1, column=column.name)
    return BadValue("the value cannot be used.", row=row + 1, column=column.name)
