"""A table to be scored, read so that a row that cannot be used does not spoil the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from churnkit.data.csv_source import CsvSource
from churnkit.data.infer import decimal_mark
from churnkit.data.parquet_source import ParquetSource
from churnkit.data.scoring_input import TypedBatch, require_columns
from churnkit.data.typing_columns import model_column
from churnkit.domain.columns import ModelInput, ModelSchema
from churnkit.domain.jobs import RowFault
from churnkit.domain.progress import Cancel
from churnkit.errors import BadValue, DataUnreadable

Ints = NDArray[np.int64]
LONGEST_ID = 200
_SHOWN = 60


@dataclass(slots=True)
class LenientChunk:
    """Some rows of a source.

    ``numbers`` are the rows' places in the file, as a person counts, and ``faults`` what is wrong
    with those that are not among them. ``n_read`` rows of the source were read so far, this
    chunk's among them, without those that are broken as lines; ``last_broken`` is the number of
    the last one of these.
    """

    batch: TypedBatch
    numbers: list[int]
    faults: list[RowFault] = field(default_factory=list)
    n_read: int = 0
    last_broken: int = 0


def stream_lenient(
    path: Path,
    schema: ModelSchema,
    *,
    parquet: bool,
    chunk_rows: int,
    skip_rows: int = 0,
    skip_broken: int = 0,
    cancel: Cancel | None = None,
) -> Iterator[LenientChunk]:
    """Read a CSV or Parquet file in bounded memory, a number of rows at a time.

    Parameters
    ----------
    skip_rows, skip_broken : ``n_read`` and ``last_broken`` of the chunk to go on behind

    Raises
    ------
    ColumnMissing : inputs or the id are not there; all of them are named
    DataUnreadable, DataEmpty : the file cannot be read; broken lines are faults
    BadValue : a column is of a type that the model cannot read
    """
    broken: list[tuple[int, str, str]] = []
    source: CsvSource | ParquetSource
    if parquet:
        source = ParquetSource(path)
    else:
        source = CsvSource(path, lambda number, what, text: broken.append((number, what, text)))
    id_column = _id_column(source.columns(), schema)
    wanted = schema.model_copy(update={"id_column": id_column})
    require_columns(source.columns(), wanted, source.name)
    places = _Places(source.row_offset)
    n_read, mark = 0, ""
    for whole in source.batches(cancel):
        if parquet:
            _refuse_invalid(whole)
        if not mark:
            mark = _decimal_mark(whole, schema)
        numbers = places.next(whole.num_rows, [number for number, _, _ in broken])
        for start in range(0, whole.num_rows, chunk_rows):
            part = whole.slice(start, chunk_rows)
            n_read += part.num_rows
            if n_read <= skip_rows:
                continue
            if n_read - part.num_rows < skip_rows:  # other chunks were made before
                part = part.slice(part.num_rows - (n_read - skip_rows))
            at = numbers[start + min(chunk_rows, whole.num_rows - start) - part.num_rows :][
                : part.num_rows
            ]
            chunk = _chunk(part, schema, id_column, at, mark)
            new = [one for one in broken if one[0] > skip_broken]
            chunk.faults += map(_broken_line, new)
            skip_broken = max([skip_broken, *(number for number, _, _ in new)])
            chunk.n_read, chunk.last_broken = n_read, skip_broken
            yield chunk
    new = [one for one in broken if one[0] > skip_broken]
    if new:  # lines behind the last row that could be read
        empty = TypedBatch(n_read, pa.array([], pa.string()), _no_columns(schema))
        yield LenientChunk(empty, [], [*map(_broken_line, new)], n_read, new[-1][0])


def _refuse_invalid(batch: pa.RecordBatch) -> None:
    try:
        batch.validate(full=True)  # Parquet's writers may have put anything into a text
    except pa.ArrowInvalid as error:
        raise DataUnreadable(
            f"the file holds a text that is no UTF-8: {str(error).splitlines()[0]}",
            fix="Write the file anew with texts in UTF-8.",
        ) from error


class _Places:
    """Numbers of rows, when some rows between them were left out."""

    def __init__(self, first: int) -> None:
        self._next = first

    def next(self, n: int, left_out: list[int]) -> Ints:
        """The numbers of the next rows that were not left out."""
        between = [number for number in left_out if number >= self._next]
        places = np.arange(self._next, self._next + n + len(between), dtype=np.int64)
        if between:
            places = places[~np.isin(places, between)]
        places = places[:n]
        if n:
            self._next = int(places[-1]) + 1
        return places


def _id_column(names: tuple[str, ...], schema: ModelSchema) -> str:
    """The column with the customers' ids: the model's own name for it, or ours."""
    if schema.id_column and schema.id_column not in names and "customer_id" in names:
        return "customer_id"
    return schema.id_column


def _decimal_mark(batch: pa.RecordBatch, schema: ModelSchema) -> str:
    return decimal_mark(
        pa.chunked_array([batch.column(column.name)])
        for column in schema.inputs
        if column.kind == "number" and pa.types.is_string(batch.column(column.name).type)
    )


def _chunk(
    batch: pa.RecordBatch, schema: ModelSchema, id_column: str, numbers: Ints, mark: str
) -> LenientChunk:
    faults: dict[int, RowFault] = {}
    ids = _ids(batch, id_column, numbers, faults)
    columns: dict[str, pa.Array] = {}
    for column in schema.inputs:
        values = batch.column(column.name)
        columns[column.name], bad = lenient_column(values, column, mark)
        for place, error in bad.items():
            if place not in faults:
                faults[place] = RowFault(
                    row=int(numbers[place]),
                    column=column.name,
                    given=shown(values[place].as_py()),
                    reason=error.what,
                    fix=error.fix,
                    customer_id=(ids[place].as_py() or "")[:LONGEST_ID],
                )
    rows = numbers.tolist()
    if faults:
        good = [place for place in range(batch.num_rows) if place not in faults]
        keep = pa.array(good, pa.int64())
        ids = ids.take(keep)
        columns = {name: array.take(keep) for name, array in columns.items()}
        rows = [rows[place] for place in good]
    found = [faults[place] for place in sorted(faults)]
    return LenientChunk(TypedBatch(0, ids, columns), rows, found)


def _ids(
    batch: pa.RecordBatch, column: str, numbers: Ints, faults: dict[int, RowFault]
) -> pa.Array:
    if not column:
        return pa.array(numbers).cast(pa.string())
    values = batch.column(column)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        whole = values.cast(pa.int64(), safe=False)
        if pc.all(pc.equal(whole.cast(pa.float64()), values)).as_py() is not False:
            values = whole
    try:
        ids = pc.utf8_trim_whitespace(values.cast(pa.string()))
    except pa.ArrowException:
        raise BadValue(
            f"the column holds {values.type}, which names no customer.",
            fix="Give the customers' ids as text or whole numbers.",
            column=column,
        ) from None
    blank = pc.fill_null(pc.equal(ids, ""), True)
    unfit = pc.or_(pc.greater(pc.utf8_length(ids), LONGEST_ID), pc.match_substring(ids, "\0"))
    for mask, reason, fix in (
        (blank, "a customer has no id.", "Fill in the id, or leave the row out."),
        (
            pc.fill_null(unfit, False),
            f"an id has at most {LONGEST_ID} characters, and no NUL.",
            "Is this the column with the ids?",
        ),
    ):
        if pc.any(mask).as_py():
            for place in np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist():
                faults[place] = RowFault(
                    row=int(numbers[place]),
                    column=column,
                    given=shown(ids[place].as_py()),
                    reason=reason,
                    fix=fix,
                )
    return ids


def lenient_column(
    values: pa.Array, column: ModelInput, mark: str
) -> tuple[pa.Array, dict[int, BadValue]]:
    """A raw column in the model's type; values that it cannot hold are null.

    Returns
    -------
    array : see ``model_column``
    bad : by place, what is wrong with a value

    Raises
    ------
    BadValue : the whole column is of a type that the model cannot read
    """
    try:
        return _typed(values, column, mark), {}
    except BadValue as error:
        if "row" not in error.where:
            raise
    # Equal values are equally bad: each is looked at once.
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    words: dict[int, BadValue] = {}
    array = _halved(encoded.dictionary, column, mark, 0, words)
    typed = array.take(encoded.indices)
    if not words:
        return typed, {}
    places = np.flatnonzero(
        pc.fill_null(
            pc.is_in(encoded.indices, pa.array(list(words), encoded.indices.type)), False
        ).to_numpy(zero_copy_only=False)
    )
    codes = encoded.indices.take(pa.array(places)).to_pylist()
    return typed, {place: words[code] for place, code in zip(places.tolist(), codes, strict=True)}


def _typed(values: pa.Array, column: ModelInput, mark: str) -> pa.Array:
    return model_column(values, column, mark=mark, file=None, row_offset=0)


def _halved(
    words: pa.Array, column: ModelInput, mark: str, first: int, bad: dict[int, BadValue]
) -> pa.Array:
    """Type distinct values, down to those that cannot be typed."""
    try:
        return _typed(words, column, mark)
    except BadValue as error:
        if len(words) == 1:
            bad[first] = error
            return pa.nulls(1, pa.string() if column.kind == "category" else pa.float64())
    half = len(words) // 2
    return pa.concat_arrays(
        [
            _halved(words[:half], column, mark, first, bad),
            _halved(words[half:], column, mark, first + half, bad),
        ]
    )


def _broken_line(line: tuple[int, str, str]) -> RowFault:
    number, what, text = line
    return RowFault(
        row=number,
        given=shown(text),
        reason=f"the row {what}.",
        fix="Mend it: is a text with the delimiter not in quotes?",
    )


def _no_columns(schema: ModelSchema) -> dict[str, pa.Array]:
    return {
        column.name: pa.array([], pa.string() if column.kind == "category" else pa.float64())
        for column in schema.inputs
    }


def shown(value: object) -> str:
    """A value that was given, cut short."""
    text = "" if value is None else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def file_columns(path: Path, *, parquet: bool) -> tuple[str, ...]:
    """The columns' names of a CSV or Parquet file."""
    return (ParquetSource(path) if parquet else CsvSource(path)).columns()
