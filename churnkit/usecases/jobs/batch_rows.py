"""The rows of an uploaded file, in pieces that a process can go on behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from churnkit.data.json_lines import Lines, read_lines
from churnkit.data.lenient_input import LONGEST_ID, file_columns, shown, stream_lenient
from churnkit.data.part_formats import TableFormat
from churnkit.data.scoring_input import TypedBatch
from churnkit.data.suppressed import Suppressed, typed_without
from churnkit.domain.columns import ModelSchema
from churnkit.domain.jobs import RowFault
from churnkit.domain.predictions import FieldFault
from churnkit.inference.encoder import RowEncoder
from churnkit.inference.row_columns import typed_columns

Row = Mapping[str, object]
LookUp = Callable[[Sequence[str]], Sequence[Row | None]]
"""Features of customers who are only named; None: nothing is known of him."""
_ITEM_KEYS = {"customer_id", "features"}
_ERASED = "this customer was erased."
_LEAVE_OUT = "Leave the row out."
_NO_EVENTS = "nothing is known of this customer, and the row has no features."


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows: those that can be scored with their numbers, and what is wrong with others.

    ``place`` is where to go on behind this piece.
    """

    batch: TypedBatch
    numbers: list[int]
    faults: list[RowFault]
    place: dict[str, int]


@dataclass(frozen=True)
class BatchFile:
    """An uploaded file of customers.

    Parameters
    ----------
    look_up : for rows that only name the customer; None: there are no such features
    suppressed : tells erased customers, whose rows are set aside; None: nobody has an id
    """

    path: Path
    form: TableFormat
    schema: ModelSchema
    encoder: RowEncoder
    look_up: LookUp | None
    suppressed: Suppressed | None = None

    def pieces(self, *, rows: int, place: Mapping[str, int]) -> Iterator[Piece]:
        """Read the file in bounded memory.

        Parameters
        ----------
        rows : of one piece
        place : of the piece to go on behind; empty: from the beginning

        Raises
        ------
        DataError : the file as a whole cannot be used
        """
        found = self._lines if self.form == "ndjson" else self._table
        return map(self.without_erased, found(rows, place))

    def without_erased(self, piece: Piece) -> Piece:
        """The piece without erased customers; what is said of their rows does not name them."""
        if self.suppressed is None:
            return piece
        erased = self.suppressed({fault.customer_id for fault in piece.faults})
        batch, kept = typed_without(piece.batch, self.suppressed)
        if not erased and len(kept) == len(piece.numbers):
            return piece
        rows = [fault.row for fault in piece.faults if fault.customer_id in erased]
        rows += sorted(set(piece.numbers) - {piece.numbers[place] for place in kept.tolist()})
        faults = [fault for fault in piece.faults if fault.customer_id not in erased]
        faults += [RowFault(row=row, reason=_ERASED, fix=_LEAVE_OUT) for row in rows]
        numbers = [piece.numbers[place] for place in kept.tolist()]
        return Piece(batch, numbers, sorted(faults, key=lambda fault: fault.row), piece.place)

    def _table(self, rows: int, place: Mapping[str, int]) -> Iterator[Piece]:
        parquet = self.form == "parquet"
        named = self.look_up is not None and not (
            set(file_columns(self.path, parquet=parquet)) & set(self.schema.names())
        )
        schema = self.schema.model_copy(update={"inputs": ()}) if named else self.schema
        for chunk in stream_lenient(
            self.path,
            schema,
            parquet=parquet,
            chunk_rows=rows,
            skip_rows=place.get("rows", 0),
            skip_broken=place.get("broken", 0),
        ):
            batch, numbers, faults = chunk.batch, chunk.numbers, chunk.faults
            if named:
                ids = batch.ids.to_pylist()
                batch, numbers, more = self._typed(ids, [None] * len(ids), numbers)
                faults = [*faults, *more]
            yield Piece(batch, numbers, faults, {"rows": chunk.n_read, "broken": chunk.last_broken})

    def _lines(self, rows: int, place: Mapping[str, int]) -> Iterator[Piece]:
        for lines in read_lines(self.path, most=rows, skip=place.get("line", 0)):
            ids, features, numbers, faults = self._items(lines)
            batch, numbers, more = self._typed(ids, features, numbers)
            yield Piece(batch, numbers, [*lines.faults, *faults, *more], {"line": lines.last})

    def _items(self, lines: Lines) -> tuple[list[str], list[Row | None], list[int], list[RowFault]]:
        """An object is an item as of a single prediction, or holds the columns themselves."""
        ids: list[str] = []
        features: list[Row | None] = []
        numbers: list[int] = []
        faults: list[RowFault] = []
        for number, item in zip(lines.numbers, lines.objects, strict=True):
            is_item = item.keys() <= _ITEM_KEYS and not set(self.schema.names()) <= item.keys()
            column = self.schema.id_column or "customer_id"
            if is_item or column not in item:
                column = "customer_id"
            name = self._customer(item.get(column), number)
            row: Any = item.get("features") if is_item else item
            if isinstance(name, RowFault):
                faults.append(name.model_copy(update={"row": number, "column": column}))
            elif row is not None and not isinstance(row, dict):
                reason = "'features' is no object."
                faults.append(RowFault(row=number, column="features", reason=reason))
            else:
                ids.append(name)
                features.append(row)
                numbers.append(number)
        return ids, features, numbers, faults

    def _customer(self, value: object, number: int) -> str | RowFault:
        if value is None and not self.schema.id_column:
            return str(number)
        name = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(name, str) or not (name := name.strip()):
            return RowFault(
                row=number,
                given=shown(value),
                reason="a customer has no id.",
                fix="Fill in the id, or leave the row out.",
            )
        if len(name) > LONGEST_ID or "\0" in name:
            return RowFault(
                row=number,
                given=shown(name),
                reason=f"an id has at most {LONGEST_ID} characters, and no NUL.",
            )
        return name

    def _typed(
        self, ids: Sequence[str], features: list[Row | None], numbers: Sequence[int]
    ) -> tuple[TypedBatch, list[int], list[RowFault]]:
        faults: dict[int, RowFault] = {}
        named = [i for i, row in enumerate(features) if row is None]
        if named and self.look_up is not None:
            for i, row in zip(named, self.look_up([ids[i] for i in named]), strict=True):
                features[i] = row
        for i in named:
            if features[i] is None:
                faults[i] = RowFault(
                    row=numbers[i], column="features", reason=_NO_EVENTS, customer_id=ids[i],
                    fix="Give the columns that the model reads.",
                )  # fmt: skip
        there = [i for i, row in enumerate(features) if row is not None]
        columns, bad = typed_columns(self.encoder, [row for row in features if row is not None])
        for place, fault in bad.items():
            faults[there[place]] = _told(fault, numbers[there[place]], ids[there[place]])
        good = [i for i in there if i not in faults]
        batch = TypedBatch(0, pa.array([ids[i] for i in good], pa.string()), columns)
        return batch, [numbers[i] for i in good], [faults[i] for i in sorted(faults)]


def _told(fault: FieldFault, number: int, customer_id: str) -> RowFault:
    missing = fault.given is None
    return RowFault(
        row=number,
        column=fault.field,
        given=fault.given or "",
        reason="the column is missing." if missing else f"expected {fault.expected}.",
        fix=fault.fix,
        customer_id=customer_id,
    )
