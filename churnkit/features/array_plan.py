"""Event features of all customers at many moments: one scan of the events, whatever the number.

DuckDB reads the events of a range of customers; they are put into the order of customer and time,
a block of a few thousand customers at a time, and ``block_figures`` computes every moment from
that. An event that happened before a moment but was not known at it would be in the wrong place
there: such customers are computed once more for that moment, from what was known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from churnkit.data.event_tables import quoted
from churnkit.domain.progress import Cancel
from churnkit.features.block_figures import Column, Events, Figure, block_figures
from churnkit.features.definitions import EventFeature
from churnkit.features.event_reader import EventReader, Part, RawEvents
from churnkit.features.moment import Moment
from churnkit.features.timeline import Array, Timeline

GIVEN = "event_figures"
"""The relation of the features that were computed: customer_no, as_of_us, a column for each."""
_ZERO = ("count", "sum", "distinct", "active_days")
_CELLS = 2**18
"""So many cells of all customers of a block are worked on at once: what fits into a cache."""
_MOST_CUSTOMERS = 4096
_FEWEST_CUSTOMERS = 128
_ROWS = 200_000
"""So many rows of the result are made at once."""
_AGAIN = 1_000_000
"""So many events are taken in at once where customers are computed once more."""

Read = Callable[[str], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class GivenFigures:
    """The SQL of event features that are columns of ``GIVEN``, instead of a scan of events."""

    def figure(self, feature: EventFeature) -> str:
        """The SQL of a feature."""
        column = f"s.{quoted(feature.name)}"
        if feature.aggregate not in _ZERO:
            return column
        return f"coalesce({column}, {'0e0' if feature.aggregate == 'sum' else '0'})"

    def joins(self) -> str:
        """What brings the columns to the requests ``r``."""
        return f"\nLEFT JOIN {GIVEN} s ON s.customer_no = r.customer_no AND s.as_of_us = r.as_of_us"


@dataclass(frozen=True)
class FigureTable:
    """``GIVEN`` for all customers with ``low <= customer_no < high``, and the share done."""

    table: pa.Table
    low: int
    high: int
    done: float


def figure_tables(
    reader: EventReader,
    features: Sequence[EventFeature],
    *,
    read: Read,
    memory_bytes: int,
    threads: int,
    cancel: Cancel,
) -> Iterator[FigureTable]:
    """Compute event features at the reader's moments, some thousand customers at a time.

    Parameters
    ----------
    read : runs a statement
    memory_bytes : about so much is used beside what DuckDB needs

    Raises
    ------
    BadValue : a sum does not fit into 64 bits
    """
    figures = [reader.figure(feature) for feature in features]
    reader.number_words()
    windows = [figure.window_days for figure in figures if figure.window_days is not None]
    timeline = Timeline.of(reader.moments, windows)
    one = Timeline.of([Moment(0, 0)], windows)
    work = _Work(reader.moments, figures, timeline, one, reader.word_bits, reader.nothing)
    size = min(max(_CELLS // timeline.n_cells, _FEWEST_CUSTOMERS), _MOST_CUSTOMERS)
    at_once = max(threads, _ROWS // (size * len(reader.moments)))
    with ThreadPoolExecutor(threads, thread_name_prefix="features") as pool:
        for part in reader.parts(max(1, memory_bytes // reader.bytes_per_event)):
            batches = (reader.events(batch) for batch in read(reader.sql(part)))
            blocks = _blocks(batches, part, size)
            for start in range(0, len(blocks), at_once):
                cancel.check()
                some = blocks[start : start + at_once]
                columns = list(pool.map(work.figures, some))
                for block in some:
                    block.events.clear()
                numbers = reader.customers[some[0].first : some[-1].stop]
                yield FigureTable(
                    _table(reader.moments, features, figures, some, columns, reader.customers),
                    int(numbers[0]),
                    int(numbers[-1]) + 1,
                    some[-1].stop / len(reader.customers),
                )


@dataclass(frozen=True)
class _Block:
    """The customers from place ``first`` up to ``stop``, and their events as they came."""

    first: int
    stop: int
    events: list[RawEvents]


def _blocks(batches: Iterable[RawEvents], part: Part, size: int) -> list[_Block]:
    blocks = [
        _Block(first, min(first + size, part.stop), [])
        for first in range(part.first, part.stop, size)
    ]
    for batch in batches:
        number = (batch.place - np.int32(part.first)) // np.int32(size)
        batch = batch.take(np.argsort(_short(number), kind="stable"))
        stops = np.cumsum(np.bincount(number, minlength=len(blocks)))
        for block, start, stop in zip(blocks, [0, *stops[:-1]], stops, strict=True):
            if stop > start:
                block.events.append(batch.take(slice(start, stop)))
    return blocks


@dataclass(frozen=True)
class _Work:
    moments: Sequence[Moment]
    wanted: Sequence[Figure]
    timeline: Timeline
    one_moment: Timeline  # the same windows, seen from day 0
    word_bits: tuple[bool, ...]
    nothing: RawEvents

    def figures(self, block: _Block) -> list[Column]:
        """The figures of one block at all moments."""
        raw = block.events[0].joined(block.events[1:]) if block.events else self.nothing
        time = raw.day if raw.before is None else raw.day + raw.before
        raw = raw.take(_in_order(raw.place - np.int32(block.first), time))
        events = Events(
            block.stop - block.first,
            raw.place - np.int32(block.first),
            raw.day,
            self.timeline.cells(raw.day, raw.before),
            raw.marks,
            raw.values,
            raw.words,
            self.word_bits,
        )
        columns = block_figures(events, self.timeline, self.wanted)
        if raw.before is not None and raw.known is not None:
            self._correct(columns, events, raw.before, raw.known)
        return columns

    def _correct(
        self, columns: Sequence[Column], events: Events, before: Array, known: Array
    ) -> None:
        """Compute once more what an event is in that was not known at the moment."""
        late = np.flatnonzero(known > before)
        again = _Again(self, columns, events)
        for at in range(len(self.moments)):
            hidden = late[(before[late] <= at) & (known[late] > at)]
            if len(hidden):
                affected = np.zeros(events.n_customers, bool)
                affected[events.customer[hidden]] = True
                counting = np.flatnonzero(affected[events.customer] & (known <= at))
                again.add(at, np.flatnonzero(affected), counting)
        again.flush()


class _Again:
    """Customers at single moments, each as a customer of its own who is looked at on day 0."""

    def __init__(self, work: _Work, columns: Sequence[Column], events: Events) -> None:
        self._work, self._columns, self._events = work, columns, events
        self._added: list[tuple[int, Array, Array]] = []
        self._n_events = 0

    def add(self, at: int, who: Array, rows: Array) -> None:
        """Customers who are to be computed for one moment, and their events that count."""
        self._added.append((at, who, rows))
        self._n_events += len(rows)
        if self._n_events > _AGAIN:
            self.flush()

    def flush(self) -> None:
        """Compute those that were added, and put them in their places."""
        if not self._added:
            return
        today = np.array([moment.as_of_day for moment in self._work.moments], np.int32)
        events = self._events.take(np.concatenate([rows for _, _, rows in self._added]))
        customers, days, n_before = [], [], 0
        for at, who, rows in self._added:
            number = np.zeros(events.n_customers, np.int32)
            number[who] = np.arange(n_before, n_before + len(who))
            customers.append(number[self._events.customer[rows]])
            days.append(self._events.day[rows] - today[at])
            n_before += len(who)
        day = np.concatenate(days)
        renamed = Events(
            n_before,
            np.concatenate(customers),
            day,
            self._work.one_moment.cells(day, None),
            events.marks,
            events.values,
            events.words,
            events.word_bits,
        )
        places = np.concatenate([np.full(len(who), at) for at, who, _ in self._added])
        who = np.concatenate([who for _, who, _ in self._added])
        for column, found in zip(
            self._columns,
            block_figures(renamed, self._work.one_moment, self._work.wanted),
            strict=True,
        ):
            column.values[places, who] = found.values[0]
            if column.missing is not None and found.missing is not None:
                column.missing[places, who] = found.missing[0]
        self._added, self._n_events = [], 0


def _in_order(customer: Array, time: Array) -> Array:
    """What puts events into the order of their customers, each in the order of time."""
    order = None
    if (time[1:] < time[:-1]).any():  # most logs are in the order of time already
        order = np.argsort(_short(time - time.min()), kind="stable")
    by = _short(customer if order is None else customer[order])
    found: Array = np.argsort(by, kind="stable")
    return found if order is None else order[found]


def _short(numbers: Array) -> Array:
    """Numbers >= 0 in 16 bits if they fit: these are sorted by radix, five times as fast."""
    return numbers.astype(np.uint16) if not len(numbers) or numbers.max() < 2**16 else numbers


def _table(
    moments: Sequence[Moment],
    features: Sequence[EventFeature],
    figures: Sequence[Figure],
    blocks: Sequence[_Block],
    columns: Sequence[Sequence[Column]],
    customers: Array,
) -> pa.Table:
    """The blocks' figures, a row for each customer and moment."""
    as_of = np.array([moment.as_of_us for moment in moments], np.int64)
    arrays: list[list[pa.Array]] = [[] for _ in range(2 + len(features))]
    for block, found in zip(blocks, columns, strict=True):
        numbers = customers[block.first : block.stop]
        arrays[0].append(pa.array(np.tile(numbers, len(moments))))
        arrays[1].append(pa.array(np.repeat(as_of, len(numbers))))
        for kept, column in zip(arrays[2:], found, strict=True):
            mask = None if column.missing is None else column.missing.ravel()
            kept.append(pa.array(column.values.ravel(), mask=mask))
    names = ["customer_no", "as_of_us", *(feature.name for feature in features)]
    return pa.table([pa.chunked_array(parts) for parts in arrays], names=names)
