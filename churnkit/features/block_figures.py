"""Figures of a few thousand customers at many moments, from their events in order, as arrays.

Events are added up per customer and cell of time; what is wanted of a window is then read from
the cells at its ends (counts, sums), or from two runs of cells that cover it (least, greatest,
sets). All of it is whole numbers, and equal to what the SQL of ``event_aggregates`` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

import numpy as np

from churnkit.errors import BadValue
from churnkit.features.definitions import Aggregate
from churnkit.features.timeline import Array, Timeline

Marks = tuple[int, ...]
_NEVER = -(2**31)
_BITS = np.array([0, *(1 << at for at in range(63))], np.int64)
_INT64_MAX = 2**63 - 1


class Figure(NamedTuple):
    """What is wanted of the events.

    Attributes
    ----------
    marks : the events that count have all of these (see ``Events``); none: every event counts
    column : which of the values or word sets, for those aggregates that look at one
    present : the mark of events that have the value, for those aggregates
    unit : what one unit of the value is stored as
    """

    aggregate: Aggregate
    window_days: int | None
    marks: Marks = ()
    column: int = 0
    present: int = 0
    unit: float = 1.0


class Column(NamedTuple):
    """Shape (n_moments, n_customers) each; ``missing`` None: nothing is."""

    values: Array
    missing: Array | None


@dataclass(frozen=True)
class Events:
    """Events in the order of customer, then cell and day.

    Attributes
    ----------
    n_customers : how many customers there are; some may have no event
    customer : shape (n_events,), from 0
    day, cell : shape (n_events,)
    marks : each of shape (n_events,): bytes of eight yes-or-no facts; fact i is bit i % 8 of
        byte i // 8
    values : each of shape (n_events,): whole numbers; any number where the value is missing
    words : each of shape (n_events,): the word's number
    word_bits : for each of the words, whether there are so few that a bit stands for each: they
        are numbered from 1, and 0 stands for none
    """

    n_customers: int
    customer: Array
    day: Array
    cell: Array
    marks: tuple[Array, ...]
    values: tuple[Array, ...]
    words: tuple[Array, ...]
    word_bits: tuple[bool, ...]

    def take(self, rows: Array) -> Events:
        """Some of the events, in their order."""
        return Events(
            self.n_customers,
            self.customer[rows],
            self.day[rows],
            self.cell[rows],
            tuple(one[rows] for one in self.marks),
            tuple(one[rows] for one in self.values),
            tuple(one[rows] for one in self.words),
            self.word_bits,
        )

    def marked(self, mark: int) -> Array:
        """Shape (n_events,), bool: which events have a mark."""
        found: Array = (self.marks[mark // 8] & np.uint8(1 << mark % 8)) != 0
        return found


def block_figures(events: Events, timeline: Timeline, figures: Sequence[Figure]) -> list[Column]:
    """Compute the figures at the timeline's moments.

    Raises
    ------
    BadValue : a sum does not fit into 64 bits
    """
    block = _Block(events, timeline)
    return [block.column(figure) for figure in figures]


@dataclass
class _Picked:
    """The events of one filter, and where their runs of one customer and cell begin."""

    rows: Array | None  # None: all
    starts: Array
    where: Array  # the place of each run in a table of cells and customers
    lengths: Array

    def of(self, column: Array) -> Array:
        found: Array = column if self.rows is None else column[self.rows]
        return found


@dataclass
class _Block:
    events: Events
    timeline: Timeline
    _picks: dict[tuple[str, Marks], _Picked] = field(default_factory=dict)
    _prefixes: dict[tuple[str, Marks, int], Array] = field(default_factory=dict)
    _ranges: dict[tuple[str, Marks, int], _Ranges] = field(default_factory=dict)

    def column(self, figure: Figure) -> Column:
        marks, window = figure.marks, figure.window_days
        match figure.aggregate:
            case "count":
                return Column(self._count("events", marks, window), None)
            case "active_days":
                return Column(self._count("days", marks, window), None)
            case "sum":
                return Column(self._sum(figure), None)
            case "mean":
                n = self._count("events", (*marks, figure.present), window)
                with np.errstate(divide="ignore", invalid="ignore"):
                    return Column(self._sum(figure) / n.astype(np.float64), n == 0)
            case "min" | "max":
                present = (*marks, figure.present)
                n = self._count("events", present, window)
                found = self._extreme(figure.aggregate, present, figure.column)
                return Column(found.over(window).astype(np.float64) / figure.unit, n == 0)
            case "distinct":
                return Column(self._distinct(figure), None)
            case "recency_days":
                last = self._last_day(marks)
                today = self.timeline.today[:, None]
                missing = last <= (_NEVER if window is None else today - window)
                return Column(today - last, missing)
            case "since_first_days":
                first = self._extreme("first day", marks, 0).over(window)
                return Column(
                    self.timeline.today[:, None] - first, self._count("events", marks, window) == 0
                )
            case "mean_gap_days":
                days = self._count("days", marks, window)
                first = self._extreme("first day", marks, 0).over(window)
                span = (self._last_day(marks) - first).astype(np.float64)
                with np.errstate(divide="ignore", invalid="ignore"):
                    return Column(span / (days - 1).astype(np.float64), days < 2)
            case _:
                assert_never(figure.aggregate)

    # --- what is read at a window's ends ----------------------------------------------------

    def _count(self, of: str, marks: Marks, window: int | None) -> Array:
        key = of, marks, 0
        if key not in self._prefixes:
            picked = self._pick(of, marks)
            self._prefixes[key] = self._prefix(picked, picked.lengths)
        return self._between(self._prefixes[key], window).astype(np.int64)

    def _sum(self, figure: Figure) -> Array:
        marks = (*figure.marks, figure.present)
        key = "sum", marks, figure.column
        if key not in self._prefixes:
            picked = self._pick("events", marks)
            values = picked.of(self.events.values[figure.column])
            # Numbers as large as that are slow, but they must neither wrap nor be refused early.
            largest = max(abs(int(values.max())), abs(int(values.min()))) if len(values) else 0
            if largest * len(values) > _INT64_MAX:
                values = values.astype(object)
            self._prefixes[key] = self._prefix(picked, _reduced(np.add, values, picked))
        total = self._between(self._prefixes[key], figure.window_days)
        if total.dtype == object and ((total > _INT64_MAX) | (total < -_INT64_MAX - 1)).any():
            raise BadValue(
                "a sum is too large for a whole number of 64 bits.",
                fix="Keep fewer decimals of the value in churnkit.toml, and import again.",
            )
        return total.astype(np.int64).astype(np.float64) / figure.unit

    def _prefix(self, picked: _Picked, amounts: Array) -> Array:
        """Per customer the amount before each cell: shape (n_cells + 1, n_customers)."""
        n_customers = self.events.n_customers
        flat = np.zeros((self.timeline.n_cells + 1) * n_customers, amounts.dtype)
        flat[picked.where + n_customers] = amounts
        table = flat.reshape(-1, n_customers)
        for at in range(2, len(table)):  # cumsum along this axis goes against the memory's order
            table[at] += table[at - 1]
        return table

    def _between(self, prefix: Array, window: int | None) -> Array:
        found: Array = prefix[self.timeline.last + 1]
        if window is not None:
            found -= prefix[self.timeline.first(window)]
        return found

    # --- what is read from runs of cells ------------------------------------------------------

    def _extreme(self, what: str, marks: Marks, column: int) -> _Ranges:
        key = what, marks, column
        if key not in self._ranges:
            picked = self._pick("events", marks)
            join, nothing, found = self._of_runs(what, picked, column)
            n_customers = self.events.n_customers
            table = np.full(self.timeline.n_cells * n_customers, nothing, found.dtype)
            table[picked.where] = found
            self._ranges[key] = _Ranges(self.timeline, table.reshape(-1, n_customers), join)
        return self._ranges[key]

    def _of_runs(self, what: str, picked: _Picked, column: int) -> tuple[np.ufunc, int, Array]:
        """How an extreme is joined, what it is of nothing, and what it is of each run."""
        match what:
            case "min" | "max":
                join, nothing = (
                    (np.minimum, _INT64_MAX) if what == "min" else (np.maximum, -_INT64_MAX - 1)
                )
                return join, nothing, _reduced(join, picked.of(self.events.values[column]), picked)
            case "words":
                bits = _BITS[picked.of(self.events.words[column])]
                return np.bitwise_or, 0, _reduced(np.bitwise_or, bits, picked)
            case "first day":  # the events of a run are in the order of days
                return np.minimum, -_NEVER - 1, picked.of(self.events.day)[picked.starts]
            case _:
                ends = picked.starts + picked.lengths - 1
                return np.maximum, _NEVER, picked.of(self.events.day)[ends]

    def _last_day(self, marks: Marks) -> Array:
        return self._extreme("last day", marks, 0).over(None)

    def _distinct(self, figure: Figure) -> Array:
        if self.events.word_bits[figure.column]:
            bits = self._extreme("words", figure.marks, figure.column).over(figure.window_days)
            return np.bitwise_count(bits).astype(np.int64)
        # A word counts in a window where its last time before was in no cell of the window.
        picked = self._pick("events", (*figure.marks, figure.present))
        customer, cell = picked.of(self.events.customer), picked.of(self.events.cell)
        word = picked.of(self.events.words[figure.column])
        order = np.lexsort((cell, word, customer))
        customer, cell, word = customer[order], cell[order], word[order]
        before = np.full(len(order), -1, np.int64)
        again = (customer[1:] == customer[:-1]) & (word[1:] == word[:-1])
        before[1:][again] = cell[:-1][again]
        n_customers, found = self.events.n_customers, []
        firsts = self.timeline.first(figure.window_days)
        for first, last in zip(firsts, self.timeline.last, strict=True):
            counting = (cell >= first) & (cell <= last) & (before < first)
            found.append(np.bincount(customer[counting], minlength=n_customers))
        return np.array(found).reshape(len(firsts), n_customers)

    # --- events -------------------------------------------------------------------------------

    def _pick(self, what: str, marks: Marks) -> _Picked:
        """All events with these marks, or (``days``) only the first of each day."""
        key = what, marks
        if key in self._picks:
            return self._picks[key]
        events, rows = self.events, None
        if marks:
            marked = events.marked(marks[0])
            for mark in marks[1:]:
                marked &= events.marked(mark)
            rows = np.flatnonzero(marked)
        customer, cell, day = (
            one if rows is None else one[rows] for one in (events.customer, events.cell, events.day)
        )
        if what == "days":
            first = np.flatnonzero(_changes(customer, day))
            rows = first if rows is None else rows[first]
            customer, cell = customer[first], cell[first]
        starts = np.flatnonzero(_changes(customer, cell))
        where = cell[starts].astype(np.int64) * events.n_customers + customer[starts]
        lengths = np.diff(starts, append=len(customer)).astype(np.int32)
        self._picks[key] = _Picked(rows, starts, where, lengths)
        return self._picks[key]


class _Ranges:
    """Least, greatest or all of any run of cells, for joins that may take a cell in twice."""

    def __init__(self, timeline: Timeline, table: Array, join: np.ufunc) -> None:
        self._timeline, self._join = timeline, join
        self._levels = [table]  # level k joins 2**k cells
        self._ever: Array | None = None
        self._kept: dict[int | None, Array] = {}

    def over(self, window: int | None) -> Array:
        """Shape (n_moments, n_customers): joined over the window at each moment."""
        if window not in self._kept:
            self._kept[window] = self._over_all() if window is None else self._over(window)
        return self._kept[window]

    def _over_all(self) -> Array:
        table = self._levels[0].copy()
        for at in range(1, len(table)):
            self._join(table[at], table[at - 1], out=table[at])
        found: Array = table[self._timeline.last]
        return found

    def _over(self, window: int) -> Array:
        found: list[Array] = []
        for first, last in zip(self._timeline.first(window), self._timeline.last, strict=True):
            k = int(last - first + 1).bit_length() - 1
            level = self._level(k)
            found.append(self._join(level[first], level[last - 2**k + 1]))
        return np.array(found)

    def _level(self, k: int) -> Array:
        while len(self._levels) <= k:
            below, reach = self._levels[-1], 2 ** (len(self._levels) - 1)
            self._levels.append(self._join(below[:-reach], below[reach:]))
        return self._levels[k]


def _changes(customer: Array, other: Array) -> Array:
    """Which events are the first of their customer and of the other column's value."""
    changed = np.ones(len(customer), bool)
    np.not_equal(customer[1:], customer[:-1], out=changed[1:])
    changed[1:] |= other[1:] != other[:-1]
    return changed


def _reduced(join: np.ufunc, values: Array, picked: _Picked) -> Array:
    reduce: Callable[[Array, Array], Array] = join.reduceat
    return reduce(values, picked.starts) if len(values) else values[:0]
