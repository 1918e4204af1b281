"""Rows of files as outcomes and treatments, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.event_times import parse_times
from churnkit.data.fact_batches import Problem, Read
from churnkit.data.fact_columns import as_double, as_text, without_words
from churnkit.data.fact_sources import OpenPart, Part
from churnkit.data.rejected import Rejected
from churnkit.data.suppressed import Suppressed, without_suppressed
from churnkit.data.zones import Flags
from churnkit.domain.moments import from_us
from churnkit.domain.outcomes import Outcome, Treatment, treatment_name
from churnkit.domain.progress import Cancel
from churnkit.errors import ColumnMissing, did_you_mean
from churnkit.settings.outcomes import OutcomesTable, TreatmentsTable
from churnkit.settings.sources import ColumnsTable

_TRUE = ("true", "1", "yes", "y", "t", "churned", "left")
_FALSE = ("false", "0", "no", "n", "f", "stayed", "active")
_LONGEST_NAME = 64
T = TypeVar("T", covariant=True)


@dataclass(frozen=True, slots=True)
class Placed(Generic[T]):
    """A row that can be used, and where it stands."""

    row: T
    file: str
    number: int


@dataclass(frozen=True, slots=True)
class ReadBatch(Generic[T]):
    """Rows that can be used, of ``n_rows`` that were read."""

    rows: list[Placed[T]]
    n_rows: int
    n_suppressed: int
    """Of erased customers."""


class RowReader(Protocol[T]):
    """Turns batches of one part into rows."""

    @property
    def customer_column(self) -> str:
        """The column that names the customer."""

    def rows(self, batch: pa.RecordBatch) -> tuple[Read, Sequence[T]]:
        """The rows that can be used, in order, and what is wrong with the rest."""


def read_rows(
    parts: Sequence[Part],
    make_reader: Callable[[Sequence[str], str], RowReader[T]],
    aside: Rejected,
    *,
    query: str = "",
    suppressed: Suppressed | None = None,
    cancel: Cancel | None = None,
) -> Iterator[ReadBatch[T]]:
    """All rows of some parts that can be used, batch by batch; the others are set aside.

    Parameters
    ----------
    make_reader : from a part's columns and name
    suppressed : tells erased customers, whose rows are left out and kept nowhere
    """
    for part in parts:
        opened = OpenPart(part, query=query)
        reader = make_reader(opened.columns(), opened.name)
        for batch, numbers, broken in opened.batches(cancel):
            for bad in broken:
                # What cannot be read as columns might name an erased customer.
                aside.add(opened.name, bad.row, "", bad.reason, "" if suppressed else bad.raw)
            n_rows = batch.num_rows + len(broken)
            batch, numbers, n_suppressed = without_suppressed(
                batch, numbers, reader.customer_column, suppressed
            )
            if not batch.num_rows:
                yield ReadBatch([], n_rows, n_suppressed)
                continue
            read, rows = reader.rows(batch)
            bad_rows = read.bad()
            if bad_rows.any():
                _set_aside(aside, opened.name, batch, numbers, read.problems, bad_rows)
            kept = np.flatnonzero(~bad_rows).tolist()
            placed = [
                Placed(row, opened.name, numbers[place])
                for place, row in zip(kept, rows, strict=True)
            ]
            yield ReadBatch(placed, n_rows, n_suppressed)


class OutcomeReader:
    """Outcomes of a file whose columns are known.

    Parameters
    ----------
    told : [outcomes] of churnkit.toml
    columns : [columns]: a file made like the training's needs no other names
    names : the file's columns
    zone : the project's
    as_of : of all rows, where no column says it
    until : until when all rows were watched, where no column says it

    Raises
    ------
    ColumnMissing : it is not clear of whom, or of which window, the rows speak
    """

    def __init__(
        self,
        told: OutcomesTable,
        columns: ColumnsTable,
        names: Sequence[str],
        *,
        file: str,
        source: str,
        zone: str,
        as_of: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        self._told = told
        self._zone = told.source_zone or zone
        self._source = source
        self._as_of, self._until = as_of, until
        present = set(names)

        def found(*wanted: str) -> str:
            return next((name for name in wanted if name and name in present), "")

        self._customer = found(told.customer_id, columns.id)
        self._churned = found(told.churned, columns.target)
        self._positive = told.positive or (
            (columns.positive,) if self._churned == columns.target else ()
        )
        if self._positive == ("true",):
            self._positive = ()  # of a table that was built from events: any word for it will do
        self._window = "" if as_of is not None else found(told.as_of, columns.time)
        self._left = found(told.churned_at)
        self._from, self._to = found(told.observed_from), found(told.observed_to)
        self._value, self._known = found(told.value), found(told.known_at)
        if not self._customer:
            raise self._missing(told.customer_id, "customer_id", names, file)
        if not self._churned and not self._left:
            raise self._missing(told.churned, "churned", names, file)
        self._windowed = bool(self._churned) and (as_of is not None or bool(self._window))
        if not self._windowed and not self._left:
            raise ColumnMissing(
                f"nothing says which predictions these outcomes belong to: there is neither a "
                f"column '{told.as_of}' nor '{told.churned_at}'.",
                fix="Give the predictions' date with --as-of, or name the column in [outcomes].",
                file=file,
                column=told.as_of,
            )

    @property
    def customer_column(self) -> str:
        """The column that names the customer."""
        return self._customer

    def rows(self, batch: pa.RecordBatch) -> tuple[Read, Sequence[Outcome]]:
        """The rows that can be used, in order, and what is wrong with the rest."""
        read = Read(batch.num_rows)
        customers = _customers(read, batch, self._customer)
        values = _numbers(read, batch, self._value)
        known = self._times(read, batch, self._known)
        left = self._times(read, batch, self._left)
        nothing: list[datetime | None] = [None] * batch.num_rows
        churned: Sequence[bool | None]
        if self._windowed:
            churned = self._labels(read, batch)
            if self._window:
                as_ofs = self._times(read, batch, self._window, needed="has no date")
            else:
                as_ofs = [self._as_of] * batch.num_rows
            starts = ends = nothing
        else:
            as_ofs = nothing
            starts = self._times(read, batch, self._from)
            ends = self._times(read, batch, self._to)
            if self._until is not None:
                ends = [end or self._until for end in ends]
            churned = [moment is not None for moment in left]
            if self._churned:
                labels = self._labels(read, batch)
                differs = [a != b for a, b in zip(labels, churned, strict=True)]
                read.refuse(
                    self._churned,
                    "says otherwise than the day of leaving",
                    np.array(differs, dtype=np.bool_),
                )
            blank = [
                moment is None and end is None and when is None
                for moment, end, when in zip(left, ends, known, strict=True)
            ]
            read.refuse(
                self._left,
                "is empty, and nothing says until when the customer was watched (--until)",
                np.array(blank, dtype=np.bool_),
            )
        good = np.flatnonzero(~read.bad()).tolist()
        return read, [
            Outcome(
                customer_id=customers[i],
                churned=churned[i],
                source=self._source,
                as_of=as_ofs[i],
                observed_from=starts[i],
                observed_to=ends[i],
                churned_at=left[i],
                value=values[i],
                known_at=known[i],
            )
            for i in good
        ]

    def _labels(self, read: Read, batch: pa.RecordBatch) -> list[bool | None]:
        text = without_words(as_text(batch.column(self._churned)))
        read.refuse(self._churned, "does not say whether the customer left", _null(text))
        if self._positive:
            return pc.is_in(text, pa.array(self._positive)).to_pylist()  # type: ignore[no-any-return]
        lowered = pc.utf8_lower(text)
        true, false = (pc.is_in(lowered, pa.array(words)) for words in (_TRUE, _FALSE))
        odd = pc.and_(pc.is_valid(text), pc.invert(pc.or_(true, false)))
        read.refuse(self._churned, "is neither yes nor no", _flags(odd))
        return true.to_pylist()  # type: ignore[no-any-return]

    def _times(
        self, read: Read, batch: pa.RecordBatch, column: str, *, needed: str = ""
    ) -> list[datetime | None]:
        return _moments(read, batch, column, self._told.time_format, self._zone, needed)

    def _missing(self, name: str, key: str, names: Sequence[str], file: str) -> ColumnMissing:
        return ColumnMissing(
            f"there is no column '{name}'.",
            fix=f"Rename it in the file, or set outcomes.{key} in churnkit.toml. "
            + did_you_mean(name, names),
            file=file,
            column=name,
        )


class TreatmentReader:
    """Treatments of a file whose columns are known.

    Where there is a column of offers, a row without one is a customer who was considered and left
    untreated.

    Raises
    ------
    ColumnMissing : it is not clear who was treated, or when
    """

    def __init__(
        self,
        told: TreatmentsTable,
        columns: ColumnsTable,
        names: Sequence[str],
        *,
        file: str,
        source: str,
        zone: str,
    ) -> None:
        self._told = told
        self._zone = told.source_zone or zone
        self._source = source
        present = set(names)
        self._customer = next(
            (name for name in (told.customer_id, columns.id) if name and name in present), ""
        )
        self._at = next((name for name in (told.at, "time") if name in present), "")
        self._held = next((name for name in (told.hold_out, "holdout") if name in present), "")
        for name, key, found in (
            (told.customer_id, "customer_id", self._customer),
            (told.at, "at", self._at),
        ):
            if not found:
                raise ColumnMissing(
                    f"there is no column '{name}'.",
                    fix=f"Rename it in the file, or set treatments.{key} in churnkit.toml. "
                    + did_you_mean(name, names),
                    file=file,
                    column=name,
                )
        self._present = present

    @property
    def customer_column(self) -> str:
        """The column that names the customer."""
        return self._customer

    def rows(self, batch: pa.RecordBatch) -> tuple[Read, Sequence[Treatment]]:
        """The rows that can be used, in order, and what is wrong with the rest."""
        told, read = self._told, Read(batch.num_rows)
        customers = _customers(read, batch, self._customer)
        at = _moments(read, batch, self._at, told.time_format, self._zone, "has no time")
        offers, campaigns = (self._texts(batch, name) for name in (told.offer, told.campaign))
        ids = self._texts(batch, told.treatment_id)
        long = [len(name) > _LONGEST_NAME for name in ids]
        read.refuse(
            told.treatment_id,
            f"is longer than {_LONGEST_NAME} characters",
            np.array(long, dtype=np.bool_),
        )
        costs = _numbers(read, batch, told.cost if told.cost in self._present else "")
        name = told.assignment_probability
        drawn = _numbers(read, batch, name if name in self._present else "")
        outside = [p is not None and not 0 <= p <= 1 for p in drawn]
        read.refuse(name, "is no probability in [0, 1]", np.array(outside, dtype=np.bool_))
        held = self._held_out(read, batch)
        if told.offer in self._present:  # no offer: he was considered, and left untreated
            held = [flag or not offer for flag, offer in zip(held, offers, strict=True)]
        good = np.flatnonzero(~read.bad()).tolist()
        rows = []
        for i in good:
            moment = at[i]
            assert moment is not None
            rows.append(
                Treatment(
                    treatment_id=ids[i]
                    or treatment_name(customers[i], moment, offers[i], campaigns[i]),
                    customer_id=customers[i],
                    at=moment,
                    offer=offers[i],
                    campaign=campaigns[i],
                    source=self._source,
                    assignment_probability=drawn[i],
                    hold_out=held[i],
                    cost=costs[i],
                )
            )
        return read, rows

    def _texts(self, batch: pa.RecordBatch, name: str) -> list[str]:
        if name not in self._present:
            return [""] * batch.num_rows
        return [text or "" for text in as_text(batch.column(name)).to_pylist()]

    def _held_out(self, read: Read, batch: pa.RecordBatch) -> list[bool]:
        name = self._held
        if not name:
            return [False] * batch.num_rows
        text = pc.utf8_lower(without_words(as_text(batch.column(name))))
        true, false = (pc.is_in(text, pa.array(words)) for words in (_TRUE, _FALSE))
        odd = pc.and_(pc.is_valid(text), pc.invert(pc.or_(true, false)))
        read.refuse(name, "is neither yes nor no", _flags(odd))
        return [bool(value) for value in true.to_pylist()]


def _set_aside(
    aside: Rejected,
    file: str,
    batch: pa.RecordBatch,
    numbers: Sequence[int],
    problems: Sequence[Problem],
    bad: Flags,
) -> None:
    places = np.flatnonzero(bad).tolist()
    raw = pa.Table.from_batches([batch]).take(pa.array(places)).to_pylist()
    for place, values in zip(places, raw, strict=True):
        problem = next(one for one in problems if one.where[place])
        aside.add(file, numbers[place], problem.column, problem.reason, values)


def _customers(read: Read, batch: pa.RecordBatch, column: str) -> list[str]:
    ids = as_text(batch.column(column))
    read.refuse(column, "has no customer", _null(ids))
    return ids.to_pylist()  # type: ignore[no-any-return]


def _numbers(read: Read, batch: pa.RecordBatch, column: str) -> list[float | None]:
    if not column:
        return [None] * batch.num_rows
    numbers, odd = as_double(batch.column(column))
    read.refuse(column, "is no number", odd)
    return numbers.to_pylist()  # type: ignore[no-any-return]


def _moments(
    read: Read, batch: pa.RecordBatch, column: str, form: str, zone: str, needed: str
) -> list[datetime | None]:
    if not column:
        return [None] * batch.num_rows
    times = parse_times(batch.column(column), form=form, zone=zone)
    us = read.time(column, times, needed)
    return [
        None if missing else from_us(moment)
        for moment, missing in zip(us.tolist(), (times.missing | times.bad).tolist(), strict=True)
    ]


def _null(values: pa.Array) -> Flags:
    return _flags(pc.is_null(values))


def _flags(values: pa.Array) -> Flags:
    flags: Flags = pc.fill_null(values, False).to_numpy(zero_copy_only=False).astype(np.bool_)
    return flags
