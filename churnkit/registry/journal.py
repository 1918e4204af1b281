"""The journal's rules: who serves since when, chained so that no change goes unseen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from churnkit.domain.models import Action, Alias, Check, JournalEntry, ModelVersion
from churnkit.errors import NothingToRollBack

GENESIS = "0" * 64
"""What the first entry has as its previous hash."""
_NAMES = {"bundle_hash": "hash in the ledger", "record_hash": "record of its run"}


def seal(
    *,
    at: datetime,
    who: str,
    action: Action,
    alias: Alias,
    version: str | None,
    why: str,
    evidence: Mapping[str, Any],
    journal: Sequence[JournalEntry],
) -> JournalEntry:
    """The next entry of a journal.

    Parameters
    ----------
    version : who holds the alias from now on; None: nobody
    evidence : plain data (JSON)
    journal : all entries so far, the oldest first
    """
    entry = JournalEntry(
        sequence=len(journal) + 1,
        at=at.astimezone(UTC),
        who=who,
        action=action,
        alias=alias,
        version=version,
        previous_version=holders(journal).get(alias),
        why=why,
        evidence=dict(evidence),
        previous_hash=journal[-1].hash if journal else GENESIS,
        hash="",
    )
    return entry.model_copy(update={"hash": entry_hash(entry)})


def entry_hash(entry: JournalEntry) -> str:
    """SHA-256 (hex) over the previous hash and the canonical JSON of all other fields."""
    fields = entry.model_dump(exclude={"hash", "previous_hash"})
    fields["at"] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{entry.previous_hash}\n{text}".encode()).hexdigest()


def verify_chain(entries: Sequence[JournalEntry]) -> tuple[Check, ...]:
    """Whether every row is the one that was written, in its place, with none between missing.

    A chain cannot show that its end was cut off, or that all of it was computed anew: the
    signed head does.
    """
    failed: list[Check] = []
    previous = GENESIS
    for place, entry in enumerate(entries, 1):
        problem = ""
        if entry.sequence != place:
            problem = f"row {entry.sequence} stands where row {place} belongs"
        elif entry.previous_hash != previous:
            problem = "does not follow the row before it"
        elif entry_hash(entry) != entry.hash:
            problem = "was edited"
        if problem:
            failed.append(
                Check(subject=f"journal row {entry.sequence}", state="failed", detail=problem)
            )
        previous = entry.hash
    if failed:
        return tuple(failed)
    detail = f"{len(entries):,} rows, chained without a gap"
    return (Check(subject="journal", state="ok", detail=detail),)


def verify_versions(
    entries: Sequence[JournalEntry],
    versions: Sequence[ModelVersion],
    records: Mapping[str, str | None] | None,
) -> tuple[Check, ...]:
    """Whether the ledger's versions and the records of their runs are those that were admitted.

    The journal's row of an admission holds both hashes as its evidence, so that whoever changes
    a bundle, its hash in the ledger or a recorded figure would have to recompute the chain, too.

    Parameters
    ----------
    records : SHA-256 (hex) of each run's record, None where one is missing; None: records are
        kept elsewhere, and are not checked
    """
    admitted: dict[str, JournalEntry] = {}
    for entry in entries:
        if entry.version is not None:
            admitted.setdefault(entry.version, entry)
    checks: list[Check] = []
    for version in versions:
        known = admitted.pop(version.version, None)
        for what, now in (
            ("bundle_hash", version.bundle_hash),
            ("record_hash", None if records is None else records.get(version.run_id)),
        ):
            named = f"{version.version}/{_NAMES[what]}"
            then = None if known is None else known.evidence.get(what)
            if known is None:
                checks.append(
                    Check(subject=named, state="failed", detail="the journal never admitted it")
                )
            elif then is None:
                detail = "the journal's row of its admission holds no hash of it"
                checks.append(Check(subject=named, state="unchecked", detail=detail))
            elif records is None and what == "record_hash":
                detail = "is kept in the project's folder: 'churnkit models verify' checks it there"
                checks.append(Check(subject=named, state="unchecked", detail=detail))
            elif now is None:
                checks.append(Check(subject=named, state="failed", detail="is missing"))
            else:
                detail = str(then)[:12] if then == now else "is not the one that was admitted"
                state: Literal["ok", "failed"] = "ok" if then == now else "failed"
                checks.append(Check(subject=named, state=state, detail=detail))
    checks += [
        Check(subject=f"{name} in the ledger", state="failed", detail="is missing")
        for name in admitted
    ]
    return tuple(checks)


def holders(entries: Sequence[JournalEntry], at: datetime | None = None) -> dict[str, str | None]:
    """Who holds which alias, now or at a moment of the past.

    Parameters
    ----------
    at : with a zone; entries after it do not count
    """
    held: dict[str, str | None] = {"champion": None, "challenger": None}
    for entry in entries:
        if at is None or entry.at <= at:
            held[entry.alias] = entry.version
    return held


def rollback_target(entries: Sequence[JournalEntry]) -> str:
    """The champion before the present one; going back twice goes back further.

    Raises
    ------
    NothingToRollBack : there was none
    """
    line: list[str] = []
    for entry in entries:
        if entry.alias != "champion" or entry.version is None:
            continue
        if entry.action == "rollback" and entry.version in line:
            del line[line.index(entry.version) + 1 :]
        elif not line or line[-1] != entry.version:
            line.append(entry.version)
    if len(line) < 2:
        raise NothingToRollBack(
            "there is no earlier champion.", fix="Promote a version with 'churnkit models promote'."
        )
    return line[-2]
