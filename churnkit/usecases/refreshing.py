"""Keeps up to date what is made of the predictions; see ``churnkit.ledger.refreshing``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from churnkit.ledger import refreshing
from churnkit.ledger.engine import Pool, make_engine
from churnkit.ledger.refreshing import Refresh, forget_latest
from churnkit.project import Project

__all__ = ["Refreshed", "Refresher", "forget_latest"]


@dataclass(frozen=True)
class Refreshed:
    """What a refresh took in: predictions, and customers whose latest score changed."""

    predictions: int
    customers: int
    more: bool
    """Others wait already."""


class Refresher:
    """Refreshes on a connection of its own: a long catch-up keeps nobody waiting.

    Parameters
    ----------
    every_seconds : a refresh of another replica that is younger is young enough
    """

    def __init__(self, project: Project, *, every_seconds: float) -> None:
        self._project = project
        self._engine = make_engine(project.ledger_url, Pool(size=1))
        self._every = timedelta(seconds=every_seconds)
        self._connection: Any = None

    def refresh(self, now: datetime) -> Refreshed | None:
        """Take in what is new; None where another replica does it.

        Raises
        ------
        StorageUnreachable : the database does not answer
        """

        def work(found: Refresh) -> Refreshed:
            if found.connection.dialect.name == "postgresql":
                self._connection = found.connection.connection.driver_connection
            customers = found.latest()
            added = found.figures(now)
            return Refreshed(
                sum(figures.n for figures in added.values()), customers, found.rows.more
            )

        try:
            return refreshing.refresh(self._engine, work, now=now, every=self._every)
        finally:
            self._connection = None

    def cancel(self) -> None:
        """Break off a refresh that another thread waits for; PostgreSQL rolls it back."""
        connection = self._connection
        if connection is not None:
            connection.cancel()

    def close(self) -> None:
        """Let go of the connection."""
        self._engine.dispose()
