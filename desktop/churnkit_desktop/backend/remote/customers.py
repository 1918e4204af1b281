"""Scored customers of a service: views are queries, pages of them are fetched as one scrolls."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from churnkit.client.call import Call
from churnkit.client.calls import customers as calls
from churnkit.client.calls import figures
from churnkit.client.messages.customers import CustomersAnswer, CustomerSort
from churnkit_desktop.backend.facts import CustomerQuery, CustomerView, Floats
from churnkit_desktop.backend.remote.line import Line
from churnkit_desktop.backend.remote.telling import customer_row

COLUMNS = ("customer_id", "probability", "risk_band", "made_at", "model_version")
SORTABLE = ("customer_id", "probability", "risk_band", "made_at")
MOST_ROWS = 1_000
"""Of one answer."""
_KEEP = 3


@dataclass
class _View:
    asked: dict[str, Any]
    n_rows: int
    cursors: dict[int, str] = field(default_factory=dict)
    """By position: where the page before ended."""


class Customers:
    """Views by their names; may be called from several threads.

    Parameters
    ----------
    line : to the service
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._views: OrderedDict[str, _View] = OrderedDict()
        self._count = 0

    def view(self, query: CustomerQuery) -> CustomerView:
        """Count what the query finds."""
        asked = _asked(query)
        first: CustomersAnswer
        every: CustomersAnswer
        first, every = self._line.ask_all(
            calls.customers(**asked, counts=True, limit=1), calls.customers(counts=True, limit=1)
        )
        n_rows = first.counts.total if first.counts else 0
        n_all = every.counts.total if every.counts else 0
        versions = every.counts.by_version if every.counts else {}
        with self._lock:
            self._count += 1
            name = f"view {self._count}"
            self._views[name] = _View(asked, n_rows)
            while len(self._views) > _KEEP:
                self._views.popitem(last=False)
        return CustomerView(
            name=name,
            n_rows=n_rows,
            n_all=n_all,
            columns=COLUMNS,
            scored_at=every.refreshed_at if n_all else None,
            model_version=" and ".join(sorted(versions)),
            sortable=SORTABLE,
        )

    def page(self, name: str, start: int, count: int) -> tuple[tuple[object, ...], ...]:
        """Rows of a view; nothing where the view is gone."""
        with self._lock:
            view = self._views.get(name)
        rows: list[tuple[object, ...]] = []
        while view is not None and len(rows) < count and start + len(rows) < view.n_rows:
            position = start + len(rows)
            answer = self._line.ask(self._call(view, position, min(count - len(rows), MOST_ROWS)))
            if not answer.customers:
                break
            rows += [customer_row(one) for one in answer.customers]
            if answer.next_cursor is None:
                break
            view.cursors[start + len(rows)] = answer.next_cursor
        return tuple(rows)

    def probabilities(self) -> Floats:
        """All scores, the highest first, each as the mean of its bin of 1/2000."""
        answer = self._line.ask(figures.score_distribution())
        means = np.array([one.mean_probability for one in answer.bins], np.float64)
        return np.repeat(means, [one.n for one in answer.bins])

    @staticmethod
    def _call(view: _View, position: int, limit: int) -> Call[CustomersAnswer]:
        cursor = view.cursors.get(position)
        if cursor is not None:
            return calls.customers(**view.asked, cursor=cursor, limit=limit)
        return calls.customers(**view.asked, offset=position, limit=limit)


def _asked(query: CustomerQuery) -> dict[str, Any]:
    sort = query.sort if query.sort in SORTABLE else "probability"
    asked: dict[str, Any] = {
        "sort": cast(CustomerSort, sort),
        "order": "desc" if query.descending else "asc",
    }
    if query.bands:
        asked["risk_band"] = ",".join(query.bands)
    if query.low > 0:
        asked["min_probability"] = query.low
    if query.high < 1:
        asked["max_probability"] = query.high
    if query.search.strip():
        asked["search"] = query.search.strip()[:200]
    return asked
