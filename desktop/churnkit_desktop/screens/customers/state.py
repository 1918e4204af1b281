"""Pages of a long table, and what a campaign earns by how many are contacted; no Qt."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.campaign import ContactTerms
from churnkit_desktop.backend.facts import Floats, Money

PAGE = 200
KEPT_PAGES = 60
CURVE_POINTS = 200


@dataclass
class Pages:
    """Rows of a view that were read, and those that were asked for.

    Parameters
    ----------
    view : the name that pages are asked for under
    n_rows : how many rows the view has
    """

    view: str = ""
    n_rows: int = 0
    _rows: OrderedDict[int, tuple[tuple[object, ...], ...]] = field(default_factory=OrderedDict)
    _asked: set[int] = field(default_factory=set)

    def row(self, position: int) -> tuple[object, ...] | None:
        """A row, or None where its page was not read yet."""
        page = self._rows.get(position // PAGE)
        if page is None:
            return None
        self._rows.move_to_end(position // PAGE)
        inside = position % PAGE
        return page[inside] if inside < len(page) else None

    def wants(self, position: int) -> int | None:
        """The page to ask for so that this row comes; None: it is there or was asked for."""
        page = position // PAGE
        if page in self._rows or page in self._asked:
            return None
        self._asked.add(page)
        return page

    def failed(self, page: int) -> None:
        """A page was not read; it will be asked for again."""
        self._asked.discard(page)

    def arrived(self, page: int, rows: tuple[tuple[object, ...], ...]) -> None:
        """A page was read; the one that was looked at longest ago is let go."""
        self._asked.discard(page)
        self._rows[page] = rows
        while len(self._rows) > KEPT_PAGES:
            self._rows.popitem(last=False)


@dataclass(frozen=True)
class Scores:
    """All scores, summed up once: a million of them take longer than a turn of the event loop.

    ``rising`` : shape (n,); ``expected`` : shape (n + 1,), leavers among the k riskiest.
    """

    rising: Floats
    expected: Floats

    @classmethod
    def of(cls, probabilities: Floats) -> Scores:
        """From scores, the highest first, shape (n,)."""
        return cls(probabilities[::-1], np.concatenate([[0.0], np.cumsum(probabilities)]))


@dataclass(frozen=True)
class Campaign:
    """What contacting the riskiest customers earns, by how many are contacted.

    ``contacted`` : shape (k,), numbers of customers; ``profit`` : shape (k,), expected, for all
    of them together. Expected over the model's probabilities: it holds as far as they do.
    """

    contacted: Floats
    profit: Floats
    best_n: int
    best_profit: float
    threshold: float
    """The probability from which a contact pays."""

    @classmethod
    def of(cls, scores: Scores, money: Money) -> Campaign:
        """From all scores.

        Each contact earns p·leaver + (1 − p)·stayer, see ``churnkit/measures/profit.py``; the sum
        over the first k follows from the sum of their p.
        """
        terms = ContactTerms(
            customer_value=money.customer_value,
            contact_cost=money.contact_cost,
            offer_cost=money.offer_cost,
            success_rate=money.success_rate,
        )
        n = len(scores.rising)
        points = np.unique(np.linspace(0, n, min(CURVE_POINTS, n + 1)).astype(np.int64))
        best = 0
        if terms.leaver > 0:
            pays = -terms.stayer / (terms.leaver - terms.stayer)
            best = n - int(np.searchsorted(scores.rising, pays, side="right"))

        def earned(contacted: NDArray[np.int64]) -> Floats:
            leavers = scores.expected[contacted]
            return leavers * terms.leaver + (contacted - leavers) * terms.stayer

        return cls(
            contacted=points.astype(np.float64),
            profit=earned(points),
            best_n=best,
            best_profit=float(earned(np.array([best]))[0]),
            threshold=terms.threshold,
        )
