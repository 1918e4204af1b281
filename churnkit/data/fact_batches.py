"""Raw rows as rows of the event project's tables, and what is wrong with the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.event_tables import value_name
from churnkit.data.event_times import Times, parse_times
from churnkit.data.fact_columns import as_double, as_text, as_truth
from churnkit.data.fixed_point import fixed_point
from churnkit.data.zones import Flags, Ints, day_numbers
from churnkit.domain.events import BEGINNING_US, US_PER_DAY, AttributeColumn
from churnkit.errors import ColumnMissing, did_you_mean
from churnkit.settings.sources import AttributesTable, EventsTable, SubscriptionsTable

DEFAULT_TYPE = "event"
"""The type of all events of a log without a column for it."""
KEY = "k_"
"""Prefix of the columns that only make the key."""


@dataclass(frozen=True)
class Problem:
    """Rows that cannot be used because of one column."""

    column: str
    reason: str
    where: Flags


@dataclass(eq=False)
class Read:
    """One batch: the rows that can be used, and what is wrong with the rest."""

    n: int
    columns: dict[str, pa.Array] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    n_twice: int = 0
    n_never: int = 0

    def refuse(self, column: str, reason: str, where: Flags) -> None:
        """Note rows that cannot be used."""
        if where.any():
            self.problems.append(Problem(column, reason, where))

    def bad(self) -> Flags:
        """Which rows cannot be used."""
        bad = np.zeros(self.n, np.bool_)
        for problem in self.problems:
            bad |= problem.where
        return bad

    def good(self) -> pa.Table:
        """The rows that can be used."""
        table = pa.table(self.columns)
        bad = self.bad()
        return table.filter(pa.array(~bad)) if bad.any() else table

    def time(self, column: str, times: Times, missing: str) -> Ints:
        """Note what is wrong with a column of times."""
        self.refuse(column, "is no time", times.bad)
        if missing:
            self.refuse(column, missing, times.missing)
        self.n_twice += times.n_twice
        self.n_never += times.n_never
        return times.us


class FactReader(Protocol):
    """Turns raw batches of one source into rows of one table."""

    def required(self) -> tuple[str, ...]:
        """The columns that each part of the source must have."""

    def read(self, batch: pa.RecordBatch) -> Read:
        """Normalise one batch; ``customer_id`` is text in the result."""

    def rows(self, read: Read) -> pa.Table:
        """The rows to keep."""


class EventReader:
    """Events: customer_id, t_us, known_us, dayno, event_type, v_…, c_…, and k_… for the key.

    Parameters
    ----------
    told : the [events] of churnkit.toml
    zone : the project's
    key : the source's columns whose values make an event the same
    """

    def __init__(self, told: EventsTable, zone: str, key: Sequence[str]) -> None:
        self._told = told
        self._zone = zone
        self._key = tuple(key)

    def required(self) -> tuple[str, ...]:
        """All columns that are named, without those that only make the default key."""
        told = self._told
        named = (told.customer_id, told.event_time, told.event_type, told.known_at)
        return tuple(
            dict.fromkeys(filter(None, (*named, *told.values, *told.categories, *told.key)))
        )

    def read(self, batch: pa.RecordBatch) -> Read:
        """Normalise one batch."""
        told, read = self._told, Read(batch.num_rows)
        ids = _customers(read, batch, told.customer_id)
        zone = told.source_zone or self._zone
        times = parse_times(batch.column(told.event_time), form=told.time_format, zone=zone)
        t_us = read.time(told.event_time, times, "has no time")
        known = _known(read, batch, told, t_us, zone)
        if told.event_type:
            kinds = as_text(batch.column(told.event_type))
            read.refuse(told.event_type, "has no event type", _null(kinds))
        else:
            kinds = pa.array([DEFAULT_TYPE] * batch.num_rows, pa.string())
        days = day_numbers(t_us, self._zone)
        read.columns = {
            "customer_id": ids,
            "t_us": pa.array(t_us),
            "known_us": pa.array(known),
            "dayno": pa.array(days.astype(np.int32)),
            "event_type": kinds,
        }
        by_source: dict[str, pa.Array] = {}
        for name, decimals in told.values.items():
            scaled = fixed_point(
                batch.column(name),
                decimals=decimals,
                rounded=told.round_values,
                mark=told.decimal_mark,
            )
            for reason, where in scaled.reasons.items():
                read.refuse(name, reason, where)
            by_source[name] = pa.array(scaled.scaled, mask=scaled.missing)
            read.columns[value_name(name)] = by_source[name]
        for name in told.categories:
            by_source[name] = as_text(batch.column(name))
            read.columns[f"c_{name}"] = by_source[name]
        by_source |= {told.customer_id: ids, told.event_time: read.columns["t_us"]}
        if told.event_type:
            by_source[told.event_type] = kinds
        if told.known_at:
            by_source[told.known_at] = read.columns["known_us"]
        for position, name in enumerate(self._key):
            if name in by_source:
                part = by_source[name].cast(pa.string())
            elif name in batch.schema.names:
                part = as_text(batch.column(name))
            else:  # a later file without a column that says nothing else
                part = pa.nulls(batch.num_rows, pa.string())
            read.columns[f"{KEY}{position}"] = part
        return read

    def rows(self, read: Read) -> pa.Table:
        """The rows to keep."""
        return read.good()


class AttributeReader:
    """Attributes: customer_id, valid_from_us, known_us, a_…."""

    def __init__(
        self, told: AttributesTable, zone: str, columns: Sequence[AttributeColumn]
    ) -> None:
        self._told = told
        self._zone = zone
        self._columns = tuple(columns)

    def required(self) -> tuple[str, ...]:
        """All columns that are named."""
        told = self._told
        named = (told.customer_id, told.valid_from, told.known_at)
        return (*filter(None, named), *(column.name for column in self._columns))

    def read(self, batch: pa.RecordBatch) -> Read:
        """Normalise one batch."""
        told, read = self._told, Read(batch.num_rows)
        zone = told.source_zone or self._zone
        ids = _customers(read, batch, told.customer_id)
        if told.valid_from:
            times = parse_times(batch.column(told.valid_from), form=told.time_format, zone=zone)
            valid = read.time(told.valid_from, times, "has no time")
            known = _known(read, batch, told, valid, zone)
        else:
            valid = np.full(batch.num_rows, BEGINNING_US, np.int64)
            known = _known(read, batch, told, valid, zone) if told.known_at else valid
        read.columns = {
            "customer_id": ids,
            "valid_from_us": pa.array(valid),
            "known_us": pa.array(known),
        }
        for column in self._columns:
            raw = batch.column(column.name)
            if column.kind == "number":
                values, odd = as_double(raw, told.decimal_mark)
                read.refuse(column.name, "is no number", odd)
            elif column.kind == "boolean":
                values, odd = as_truth(raw)
                read.refuse(column.name, "is neither true nor false", odd)
            else:
                values = as_text(raw)
            read.columns[f"a_{column.name}"] = values
        return read

    def rows(self, read: Read) -> pa.Table:
        """The rows to keep."""
        return read.good()


class SubscriptionReader:
    """Subscriptions: customer_id, start_us, end_us (null: open), known_us.

    An end that was ``observed`` became known when it happened: such a row is two, the open period
    known from its start, and the same period with its end, known from then.
    """

    def __init__(self, told: SubscriptionsTable, zone: str) -> None:
        self._told = told
        self._zone = zone

    def required(self) -> tuple[str, ...]:
        """All columns that are named."""
        told = self._told
        return tuple(filter(None, (told.customer_id, told.start, told.end, told.known_at)))

    def read(self, batch: pa.RecordBatch) -> Read:
        """Normalise one batch."""
        told, read = self._told, Read(batch.num_rows)
        zone = told.source_zone or self._zone
        ids = _customers(read, batch, told.customer_id)
        starts = parse_times(batch.column(told.start), form=told.time_format, zone=zone)
        start = read.time(told.start, starts, "has no start")
        ends = parse_times(batch.column(told.end), form=told.time_format, zone=zone)
        end = read.time(told.end, ends, "")
        backwards = (end < start) & ~ends.missing & ~ends.bad & ~starts.bad & ~starts.missing
        read.refuse(told.end, "ends before it starts", backwards)
        read.columns = {
            "customer_id": ids,
            "start_us": pa.array(start),
            "end_us": pa.array(end, mask=ends.missing),
            "known_us": pa.array(_known(read, batch, told, start, zone)),
        }
        return read

    def rows(self, read: Read) -> pa.Table:
        """The rows to keep: those that can be used, with an observed end as a second row."""
        good = read.good()
        if self._told.known_at or self._told.ends == "planned":
            return good
        ended = good.filter(pc.is_valid(good.column("end_us")))
        delay = round(self._told.arrival_delay_days * US_PER_DAY)
        known = pc.add(ended.column("end_us"), delay)
        place = good.schema.get_field_index("end_us")
        # A period without length was never known to be open.
        empty = pc.equal(good.column("end_us"), good.column("start_us"))
        running = good.filter(pc.invert(pc.fill_null(empty, False)))
        open_ends = pa.nulls(running.num_rows, pa.int64())
        return pa.concat_tables(
            [
                running.set_column(place, "end_us", open_ends),
                ended.set_column(good.schema.get_field_index("known_us"), "known_us", known),
            ]
        )


def check_columns(reader: FactReader, names: Sequence[str], file: str) -> None:
    """Refuse a part without a column that is named.

    Raises
    ------
    ColumnMissing : it names the column and those that are like it
    """
    for name in reader.required():
        if name not in names:
            raise ColumnMissing(
                f"there is no column '{name}'.",
                fix=f"Rename it in the file, or change churnkit.toml. {did_you_mean(name, names)}",
                file=file,
                column=name,
            )


def _customers(read: Read, batch: pa.RecordBatch, column: str) -> pa.Array:
    ids = as_text(batch.column(column))
    read.refuse(column, "has no customer", _null(ids))
    return ids


def _known(
    read: Read,
    batch: pa.RecordBatch,
    told: EventsTable | AttributesTable | SubscriptionsTable,
    since: Ints,
    zone: str,
) -> Ints:
    if told.known_at:
        times = parse_times(batch.column(told.known_at), form=told.time_format, zone=zone)
        return read.time(told.known_at, times, "does not say when it was known")
    return since + round(told.arrival_delay_days * US_PER_DAY)


def _null(values: pa.Array) -> Flags:
    flags: Flags = pc.is_null(values).to_numpy(zero_copy_only=False).astype(np.bool_)
    return flags
