"""Entries of the journal that say what was done and move no alias."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from churnkit.domain.models import Action, Alias, JournalEntry
from churnkit.ledger.journal_rows import JournalTurn
from churnkit.registry.journal import holders, seal


def note(
    turn: JournalTurn,
    action: Action,
    evidence: Mapping[str, Any],
    *,
    alias: Alias,
    who: str,
    why: str,
    at: datetime,
) -> tuple[JournalEntry, ...]:
    """Add an entry; whoever holds the alias keeps it.

    Returns
    -------
    journal : with the new entry
    """
    known = turn.entries()
    entry = seal(
        at=at,
        who=who,
        action=action,
        alias=alias,
        version=holders(known)[alias],
        why=why,
        evidence=evidence,
        journal=known,
    )
    turn.append([entry])
    return (*known, entry)
