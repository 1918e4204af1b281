"""Delete what is older than [retention] allows, table by table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.files import storage_errors
from churnkit.ledger.erasers import AGES, clean_pages, delete_before, rows_before
from churnkit.project import Project
from churnkit.usecases.result import Result

_FOLDERS = {"rejected_files": Path("store") / "rejected", "reports": Path("reports")}


@dataclass(frozen=True)
class Aged:
    """One kind of rows or files: how long they are kept, and how many are older."""

    name: str
    days: int
    """0: for ever."""
    n: int


@dataclass(frozen=True, repr=False)
class Retained(Result):
    """What was, or would be, deleted."""

    aged: tuple[Aged, ...]
    applied: bool

    def __rich__(self) -> RenderableType:
        view = Table(box=None, pad_edge=False, header_style="bold")
        view.add_column("what")
        view.add_column("kept", justify="right")
        view.add_column("deleted" if self.applied else "would be deleted", justify="right")
        for one in self.aged:
            kept = f"{one.days:,} days" if one.days else "for ever"
            view.add_row(one.name.replace("_", " "), kept, f"{one.n:,}" if one.days else "")
        if self.applied:
            return view
        return Group(view, Text("Nothing was deleted; --apply does it. [retention] says how long."))

    def to_json(self) -> dict[str, object]:
        return {
            "applied": self.applied,
            "tables": [{"name": a.name, "days": a.days, "n": a.n} for a in self.aged],
        }


def retain(project: Project, *, apply: bool = False, now: datetime | None = None) -> Retained:
    """Delete what is older than the settings allow, or count it.

    Parameters
    ----------
    apply : delete; False only counts

    Raises
    ------
    StorageUnreachable : the ledger's database does not answer
    """
    now = now or datetime.now(UTC)
    engine = project.ledger.engine
    found: list[Aged] = []
    for name, days in project.settings.retention.model_dump().items():
        before = now - timedelta(days=days)
        n = 0
        if days and name in AGES:
            n = (delete_before if apply else rows_before)(engine, name, before)
        elif days:
            n = _files(project.folder / _FOLDERS[name], before, apply=apply)
        found.append(Aged(name, days, n))
    if apply and any(one.n for one in found if one.name in AGES):
        clean_pages(engine)
    return Retained(tuple(found), apply)


def _files(folder: Path, before: datetime, *, apply: bool) -> int:
    old = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_mtime < before.timestamp()
    ]
    if apply:
        for path in old:
            with storage_errors(path):
                path.unlink()
    return len(old)
