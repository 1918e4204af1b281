"""The table of customers as a file, as it is sorted and filtered, with the columns shown."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Event

from churnkit.errors import ChurnkitError
from churnkit.files import whole_file
from churnkit_desktop.actions import Action, Argument
from churnkit_desktop.backend.facts import CustomerQuery
from churnkit_desktop.backend.protocol import Backend
from churnkit_desktop.language import tr

CHUNK = 10_000
"""Rows that are read at once; a cancel is heard between two of them."""


class ExportCancelled(ChurnkitError):
    """A person stopped it; no file was written."""


class TableExport:
    """One export; it is written in a thread, while others ask how far it is.

    Parameters
    ----------
    backend : has the rows
    query : which, and in what order
    hidden : columns that are left out
    """

    def __init__(self, backend: Backend, query: CustomerQuery, hidden: Sequence[str]) -> None:
        self._backend, self._query, self._hidden = backend, query, frozenset(hidden)
        self._stop = Event()
        self.done = 0.0
        """The share that is written, in [0, 1]."""

    def cancel(self) -> None:
        """Stop it; what was written is taken away."""
        self._stop.set()

    def write(self, path: Path) -> int:
        """Write it as CSV; gives the number of customers.

        Raises
        ------
        ExportCancelled : somebody stopped it
        ChurnkitError : the rows changed meanwhile, or the file cannot be written
        """
        view = self._backend.customers(self._query)
        kept = [i for i, name in enumerate(view.columns) if name not in self._hidden]
        n = 0

        def lines() -> Iterable[Sequence[object]]:
            nonlocal n
            yield [view.columns[i] for i in kept]
            while n < view.n_rows:
                if self._stop.is_set():
                    raise ExportCancelled(tr("the export was cancelled."), fix="")
                rows = self._backend.page(view.name, n, min(CHUNK, view.n_rows - n))
                if not rows:
                    raise ChurnkitError(
                        tr("the customers were scored anew while they were written."),
                        fix=tr("Export the table again."),
                        file=path,
                    )
                for row in rows:
                    yield [row[i] for i in kept]
                n += len(rows)
                self.done = n / view.n_rows

        write_csv(path, lines())
        return n


def same_customers(query: CustomerQuery, path: str) -> Action:
    """The call that writes the same customers in the same order, with all that is known of them."""
    asked: dict[str, Argument] = {
        "bands": query.bands,
        "low": query.low,
        "high": query.high,
        "search": query.search.strip(),
        "sort": query.sort,
        "descending": query.descending,
    }
    usual = CustomerQuery()
    told = {name: value for name, value in asked.items() if value != getattr(usual, name)}
    arguments: dict[str, Argument] = {"output": path, "customers": None, **told}
    return Action("contact_list", arguments, tr("Export the table"))


def write_csv(path: Path, lines: Iterable[Sequence[object]]) -> None:
    """Write lines; the file appears whole or not at all.

    Raises
    ------
    DiskFull, FolderReadOnly : it cannot be written
    """
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(lines)
