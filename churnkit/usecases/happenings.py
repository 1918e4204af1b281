"""Tell consoles what happens, and look what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from churnkit.domain.happenings import Happening, ScoredMany, ScoredOne
from churnkit.domain.models import JournalEntry
from churnkit.ledger import happenings, recent_predictions
from churnkit.project import Project

_NEWEST_VERSIONS = 20


def announce(project: Project, kind: str, document: Mapping[str, Any], *, at: datetime) -> None:
    """Tell every console that looks on, whichever replica it asks.

    Parameters
    ----------
    kind : one word of small letters, such as ``job`` or ``alert``; the feed's events have it
    document : plain data, a few hundred bytes, without customers' data
    at : the present

    Raises
    ------
    StorageUnreachable : the database does not answer
    """
    with project.ledger.writing() as connection:
        happenings.announce(connection, kind, document, at)


def happenings_after(project: Project, sequence: int, limit: int) -> tuple[Happening, ...]:
    """What was announced after this one, in order."""
    return happenings.read_happenings(project.ledger.engine, after=sequence, limit=limit)


def journal_after(project: Project, sequence: int, limit: int) -> tuple[JournalEntry, ...]:
    """The journal's entries after this one, in order."""
    return project.ledger.journal_after(sequence, limit)


def feed_ends(project: Project) -> tuple[int, int, int]:
    """The journal's last number, and the first and last that is kept of the happenings."""
    first, last = happenings.kept_numbers(project.ledger.engine)
    return project.ledger.journal_length(), first, last


def forget_happenings(project: Project, before: datetime) -> int:
    """Delete what was announced before a moment; returns how many."""
    return happenings.forget_happenings(project.ledger.engine, before)


def newest_predictions(project: Project, *, since: datetime, limit: int) -> tuple[ScoredOne, ...]:
    """The newest predictions made after a moment, at most ``limit``, the newest first."""
    return recent_predictions.newest_predictions(
        project.ledger.engine, _versions(project), since=since, limit=limit
    )


def count_predictions(
    project: Project, *, after: datetime, until: datetime
) -> tuple[ScoredMany, ...]:
    """Predictions made in (after, until], by model, variant and risk band."""
    return recent_predictions.count_predictions(
        project.ledger.engine, _versions(project), after=after, until=until
    )


def listening(
    project: Project, heard: Callable[[], None]
) -> AbstractAsyncContextManager[asyncio.Event] | None:
    """Hear of announcements at once; None: this database does not tell.

    See ``ledger.happenings.listening``.
    """
    if project.ledger_url.startswith("sqlite"):
        return None
    return happenings.listening(project.ledger_url, heard)


def _versions(project: Project) -> Sequence[str]:
    """Who may be scoring: the newest versions, and those that once served."""
    names = project.ledger.version_names()
    return names[-_NEWEST_VERSIONS:]
