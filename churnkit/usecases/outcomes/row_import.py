"""Take rows of files or queries into the ledger: what can be used, once; the rest is set aside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.data.fact_sources import find_parts
from churnkit.data.outcome_batches import Placed, RowReader, read_rows
from churnkit.data.rejected import Rejected, next_file
from churnkit.domain.outcomes import Recorded
from churnkit.domain.progress import Cancel, Progress, Step
from churnkit.errors import DataEmpty, TooManyBroken
from churnkit.project import Project
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import suppressed_in

CONTRADICTORY = "says otherwise than another row about the same, known at the same moment"
_REASONS = 10
T = TypeVar("T")


@dataclass(frozen=True)
class Unusable:
    """A row that was read and cannot be taken in; ``place`` is its place among the others."""

    place: int
    field: str
    reason: str


@dataclass(frozen=True, repr=False)
class RowsImported(Result):
    """What an import of outcomes or treatments did."""

    kind: str
    """``outcomes`` or ``treatments``."""
    n_rows: int
    recorded: Recorded
    n_rejected: int
    reasons: tuple[tuple[str, str, int], ...]
    """Column, what is wrong with it, how many rows."""
    first_rejected: str
    rejected_file: str
    n_suppressed: int
    """Rows of erased customers; they were left out."""
    notes: tuple[str, ...] = ()

    def __rich__(self) -> RenderableType:
        done = self.recorded
        lines = [
            f"{self.n_rows:,} rows of {self.kind}: {done.n_new:,} new"
            + (f" ({done.n_corrected:,} of them corrections)" if done.n_corrected else "")
            + f", {done.n_known:,} known already, {self.n_rejected:,} set aside."
        ]
        if self.n_suppressed:
            lines.append(f"  {self.n_suppressed:,} of erased customers were left out.")
        lines += [
            f"  Set aside: {n:,} × {f'{column} {reason}'.strip()}."
            for column, reason, n in self.reasons
        ]
        if self.rejected_file:
            lines.append(f"  They are in {self.rejected_file}; first: {self.first_rejected}.")
        lines += self.notes
        return Group(*map(Text, lines))

    def to_json(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "n_rows": self.n_rows,
            "n_new": self.recorded.n_new,
            "n_known": self.recorded.n_known,
            "n_corrected": self.recorded.n_corrected,
            "n_contradictory": self.recorded.n_contradictory,
            "n_rejected": self.n_rejected,
            "reasons": [
                {"column": column, "reason": reason, "n": n} for column, reason, n in self.reasons
            ],
            "first_rejected": self.first_rejected,
            "rejected_file": self.rejected_file,
            "n_suppressed": self.n_suppressed,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class RowKind(Generic[T]):
    """One kind of rows: how they are read, what is refused, how they are kept."""

    name: str
    max_broken_share: float
    make_reader: Callable[[Sequence[str], str], RowReader[T]]
    check: Callable[[Sequence[T]], Sequence[Unusable]]
    record: Callable[[Sequence[T]], Recorded]
    shown: Callable[[T], dict[str, object]]


def import_rows(
    project: Project,
    data: str | Path,
    kind: RowKind[T],
    *,
    query: str,
    progress: Progress,
    cancel: Cancel | None,
) -> RowsImported:
    """Read, check and record; in one transaction, or nothing at all.

    Raises
    ------
    DataError : the source cannot be read, or lacks a column
    TooManyBroken : more rows cannot be used than the settings allow
    """
    parts = find_parts([str(data)])
    rows: list[Placed[T]] = []
    n_rows = n_suppressed = 0
    stage = f"reading the {kind.name}"
    progress(Step(stage))
    with Rejected(next_file(project.store / "rejected", kind.name)) as aside:
        for batch in read_rows(
            parts,
            kind.make_reader,
            aside,
            query=query,
            suppressed=suppressed_in(project),
            cancel=cancel,
        ):
            n_rows += batch.n_rows
            n_suppressed += batch.n_suppressed
            rows += batch.rows
            progress(Step(stage, None, f"{n_rows:,} rows"))
        if not n_rows:
            raise DataEmpty("there are no rows.", fix="Check what it names.", file=data)
        bad = kind.check([placed.row for placed in rows])
        for found in bad:
            placed = rows[found.place]
            aside.add(placed.file, placed.number, found.field, found.reason, kind.shown(placed.row))
        if bad:
            unusable = {found.place for found in bad}
            rows = [placed for place, placed in enumerate(rows) if place not in unusable]
        if aside.n_rows > kind.max_broken_share * n_rows:
            raise _too_many(aside, n_rows, kind.name)
        progress(Step(f"recording the {kind.name}"))
        recorded = kind.record([placed.row for placed in rows])
        for place in recorded.contradictory:
            placed = rows[place]
            aside.add(placed.file, placed.number, "", CONTRADICTORY, kind.shown(placed.row))
        file = aside.keep()
        ranked = aside.reasons.most_common(_REASONS)
        return RowsImported(
            kind=kind.name,
            n_rows=n_rows,
            recorded=recorded,
            n_rejected=aside.n_rows,
            reasons=tuple((column, reason, n) for (column, reason), n in ranked),
            first_rejected=aside.first,
            rejected_file="" if file is None else str(file),
            n_suppressed=n_suppressed,
        )


def _too_many(aside: Rejected, n_rows: int, name: str) -> TooManyBroken:
    shown = "; ".join(
        f"{n:,} × {column + ': ' if column else ''}{reason}"
        for (column, reason), n in aside.reasons.most_common(3)
    )
    return TooManyBroken(
        f"{aside.n_rows:,} of {n_rows:,} rows cannot be used ({shown}); nothing was imported.",
        fix=f"Check [{name}] in churnkit.toml (columns, time_format); or raise max_broken_share "
        "if so many broken rows are right.",
        first=aside.first,
    )
