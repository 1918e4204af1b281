"""One change of who serves: its rules, whoever makes it and from wherever."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from churnkit.domain.models import Alias, JournalEntry, ModelVersion
from churnkit.domain.recording import IdempotentAnswer
from churnkit.errors import AliasMoved, UnknownModelVersion, did_you_mean
from churnkit.project import Project
from churnkit.registry.journal import holders, rollback_target, seal
from churnkit.usecases.models.alias_moves import champion_entries, check_bundle, figures_of

Keep = Callable[[JournalEntry], IdempotentAnswer]
"""Makes the answer that is kept under an Idempotency-Key, in the change's transaction."""
_ANY = "(any)"


@dataclass(frozen=True)
class Change:
    """What is to change.

    Parameters
    ----------
    version : who is to hold the alias; None: for ``rollback``, which finds it in the journal
    who, why : for the journal
    expected_previous : who holds the alias now, as whoever asks saw it; None: nobody does.
        Without it the change is made whoever holds the alias.
    unless_held : leave the journal as it is when the version holds the alias already
    """

    action: Literal["promote", "challenge", "rollback"]
    version: str | None
    who: str
    why: str
    expected_previous: str | None = _ANY
    unless_held: bool = False

    @property
    def alias(self) -> Alias:
        """The alias that moves."""
        return "challenger" if self.action == "challenge" else "champion"


def move(
    project: Project,
    change: Change,
    *,
    files: Callable[[ModelVersion], Path],
    now: datetime,
    keep: Keep | None = None,
) -> tuple[tuple[JournalEntry, ...], JournalEntry]:
    """Change who holds an alias; a challenger that becomes the champion is none any longer.

    Parameters
    ----------
    files : finds a version's bundle, whose files are checked before it may serve
    keep : see ``Keep``

    Returns
    -------
    journal, entry : the whole journal, and in it the entry that says who holds the alias

    Raises
    ------
    UnknownModelVersion : no such version
    NothingToRollBack : there is no earlier champion
    AliasMoved : another version holds the alias than was expected, or the champion would be
        its own challenger
    BundleError : its files are not what was admitted
    AnsweredAlready : an answer is kept under the key; nothing was changed
    """
    versions = {known.version: known for known in project.ledger.model_versions()}

    def decide(entries: tuple[JournalEntry, ...]) -> Sequence[JournalEntry]:
        return _entries(change, entries, versions, files, now)

    def kept(entries: tuple[JournalEntry, ...]) -> IdempotentAnswer | None:
        return None if keep is None else keep(_entry(entries, change.alias))

    entries = project.ledger.append_entries(decide, keep=kept)
    return entries, _entry(entries, change.alias)


def _entry(entries: Sequence[JournalEntry], alias: Alias) -> JournalEntry:
    return next(entry for entry in reversed(entries) if entry.alias == alias)


def _entries(
    change: Change,
    entries: tuple[JournalEntry, ...],
    versions: Mapping[str, ModelVersion],
    files: Callable[[ModelVersion], Path],
    now: datetime,
) -> Sequence[JournalEntry]:
    held = holders(entries)
    alias, holder = change.alias, held[change.alias]
    if change.unless_held and change.version is not None and holder == change.version:
        return ()
    if change.expected_previous not in (_ANY, holder):
        raise AliasMoved(
            f"the {alias} is {holder or 'nobody'}, not {change.expected_previous or 'nobody'}.",
            fix="Somebody else moved it: look again, then decide again.",
            alias=alias,
        )
    chosen = rollback_target(entries) if change.version is None else change.version
    if chosen not in versions:
        raise UnknownModelVersion(
            f"there is no model version '{chosen}'.", fix=did_you_mean(chosen, versions)
        )
    if alias == "challenger" and held["champion"] == chosen:
        raise AliasMoved(
            f"{chosen} is the champion; it cannot be its own challenger.",
            fix="Choose another version.",
            alias=alias,
        )
    check_bundle(files(versions[chosen]), versions[chosen])
    before = versions.get(held["champion"] or "")
    if change.action != "challenge":
        return champion_entries(
            entries,
            versions[chosen],
            action=change.action,
            before=before,
            at=now,
            who=change.who,
            why=change.why,
        )
    return (
        seal(
            at=now,
            who=change.who,
            action="challenge",
            alias="challenger",
            version=chosen,
            why=change.why,
            evidence=figures_of(versions[chosen], before),
            journal=entries,
        ),
    )
