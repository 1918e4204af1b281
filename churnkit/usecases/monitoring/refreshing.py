"""Keeps up to date what is made of the predictions; see ``churnkit.ledger.refreshing``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from churnkit.ledger import refreshing
from churnkit.ledger.engine import Pool, make_engine
from churnkit.ledger.refreshing import MINUTES_FOR, Refresh
from churnkit.ledger.service_minutes import join_scores
from churnkit.project import Project
from churnkit.usecases.monitoring.drifting import take_drift


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
        self._joined: datetime | None = None

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
            self._join(found, now)
            versions = sorted({key[1] for key in added if not key[3]})
            take_drift(self._project, found, versions, now)
            return Refreshed(
                sum(figures.n for figures in added.values()), customers, found.rows.more
            )

        try:
            return refreshing.refresh(self._engine, work, now=now, every=self._every)
        finally:
            self._connection = None

    def _join(self, found: Refresh, now: datetime) -> None:
        """Once an hour: minutes that are old become hours."""
        border = (now - MINUTES_FOR).replace(minute=0, second=0, microsecond=0)
        if self._joined != border:
            join_scores(found.connection, border)
            self._joined = border

    def cancel(self) -> None:
        """Break off a refresh that another thread waits for; PostgreSQL rolls it back."""
        connection = self._connection
        if connection is not None:
            connection.cancel()

    def close(self) -> None:
        """Let go of the connection."""
        self._engine.dispose()


def bring_up_to_date(project: Project, now: datetime) -> None:
    """Take in all that was committed, where no service does it all the time.

    Raises
    ------
    StorageUnreachable : the database does not answer
    """
    refresher = Refresher(project, every_seconds=0.0)
    try:
        # The first one of all only says where the next one begins.
        for _ in range(2):
            done = refresher.refresh(now)
            while done is not None and done.more:
                done = refresher.refresh(now)
    finally:
        refresher.close()
