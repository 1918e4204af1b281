"""Simulate a business into a folder, some customers at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from churnkit.data.simulation.business import Business, Month
from churnkit.data.simulation.describe import readme, truth_json
from churnkit.data.simulation.folder import TableFile, new_folder
from churnkit.data.simulation.log import EVENT_TYPES
from churnkit.data.simulation.months import US_PER_DAY, Calendar
from churnkit.data.simulation.parameters import Simulation
from churnkit.data.simulation.streams import BLOCK
from churnkit.data.simulation.tables import SCHEMAS, Tables
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.files import storage_errors

MOST_AT_ONCE = 16 * BLOCK
EVENTS_AT_ONCE = 300_000
"""About as many events of a month are in memory."""


@dataclass
class Written:
    """What is in the folder."""

    rows: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    """Rows of the log by type."""
    churned: int = 0
    late_events: int = 0
    """Known more than a day after they happened."""
    n_bytes: int = 0


def customers_at_once(simulation: Simulation) -> int:
    """How many customers fit into bounded memory: a multiple of ``BLOCK``."""
    blocks = EVENTS_AT_ONCE / (simulation.events_per_customer + 2) // BLOCK
    return int(min(max(blocks * BLOCK, BLOCK), MOST_AT_ONCE))


def write_simulation(
    simulation: Simulation,
    folder: Path,
    *,
    command: str,
    versions: dict[str, str],
    at_once: int | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Written:
    """Write data and truth; the folder appears whole or not at all.

    Parameters
    ----------
    folder : an absolute path; new, or an empty folder
    command, versions : told in README.md and truth.json
    at_once : customers in memory, a multiple of ``BLOCK``; the rows do not depend on it, but
        their order does

    Raises
    ------
    FolderNotEmpty : there is something in the folder
    DiskFull, FolderReadOnly : it cannot be written; nothing is left
    Cancelled : somebody asked to stop; nothing is left
    """
    size = at_once or customers_at_once(simulation)
    if size % BLOCK:
        raise ValueError(f"at_once is not a multiple of {BLOCK}")
    written = Written()
    steps = Calendar(simulation).last + 2
    n_chunks = -(-simulation.customers // size)
    with new_folder(folder) as workshop:
        with _files(workshop) as files:
            for chunk in range(n_chunks):
                first = chunk * size
                business = Business(simulation, first, min(size, simulation.customers - first))
                tables = Tables(business.people, simulation.offers.name)
                for number, month in enumerate(business.months()):
                    if cancel is not None:
                        cancel.check()
                    _write_month(files, tables, month, written)
                    done = (chunk + (number + 1) / steps) / n_chunks
                    events = files["events"].taken
                    progress(Step("simulating", done, f"{events:,} events"))
                outcomes = business.outcomes()
                written.churned += int((outcomes.churned_us >= 0).sum())
                files["outcomes"].add(tables.outcomes(outcomes))
                for file in files.values():
                    file.flush()  # the next customers have another list of ids
        (workshop / "README.md").write_text(readme(simulation, command=command), encoding="utf-8")
        (workshop / "truth.json").write_text(
            truth_json(simulation, versions=versions), encoding="utf-8"
        )
        written.rows = {name: file.taken for name, file in files.items()}
        written.n_bytes = sum(path.stat().st_size for path in workshop.rglob("*") if path.is_file())
    return written


@contextmanager
def _files(workshop: Path) -> Iterator[dict[str, TableFile]]:
    files = {
        name: TableFile(
            workshop / (name if name == "events" else f"{name}.parquet"),
            schema,
            parts=name == "events",
        )
        for name, schema in SCHEMAS.items()
    }
    try:
        with storage_errors(workshop):
            yield files
            for file in files.values():
                file.close()
    except BaseException:
        for file in files.values():
            file.abandon()
        raise


def _write_month(
    files: dict[str, TableFile], tables: Tables, month: Month, written: Written
) -> None:
    files["events"].add(tables.events(month.events))
    files["customers"].add(tables.customers(month.versions))
    files["subscriptions"].add(tables.subscriptions(month.terms))
    if month.campaign is not None:
        files["treatments"].add(tables.treatments(month.campaign))
    if month.view is not None:
        files["truth"].add(tables.truth(month.view))
    _count(month, written)


def _count(month: Month, written: Written) -> None:
    counts = np.bincount(month.events.kind, minlength=len(EVENT_TYPES))
    for name, count in zip(EVENT_TYPES, counts.tolist(), strict=True):
        written.events[name] = written.events.get(name, 0) + count
    delays = month.events.known_us - month.events.time_us
    written.late_events += int((delays > US_PER_DAY).sum())
