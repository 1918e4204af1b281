"""Simulate a subscription business whose truth is known."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.table import Table

from churnkit.data.simulation.parameters import Drift, Simulation
from churnkit.data.simulation.writing import Written, write_simulation
from churnkit.domain.progress import Cancel, Progress, silent
from churnkit.errors import SettingsInvalid
from churnkit.reporting.tables import escape_text
from churnkit.usecases.result import Result

_FILES = {
    "events": ("events/part-*.parquet", "what customers did"),
    "customers": ("customers.parquet", "attributes with validity"),
    "subscriptions": ("subscriptions.parquet", "terms and renewals"),
    "treatments": ("treatments.parquet", "who was considered, and who got an offer"),
    "outcomes": ("outcomes.parquet", "who left, and when that was known"),
    "truth": ("truth.parquet", "true probabilities and effects, each month"),
}


@dataclass(frozen=True, repr=False)
class Simulated(Result):
    """A folder with a business's data and the truth about it."""

    folder: Path
    simulation: Simulation
    written: Written

    def __rich__(self) -> RenderableType:
        told, written = self.simulation, self.written
        view = Table(box=None, pad_edge=False, header_style="bold")
        view.add_column("file")
        view.add_column("rows", justify="right")
        view.add_column("what it holds")
        for name, (file, meaning) in _FILES.items():
            view.add_row(file, f"{written.rows[name]:,}", meaning)
        view.add_row("truth.json", "", "every parameter")
        view.add_row("README.md", "", "what each file and column is")
        n_events = max(1, written.rows["events"])
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in written.events.items())
        lines = [
            f"Simulated {told.customers:,} customers from {told.starts_at:%Y-%m-%d} until "
            f"{told.ends_at:%Y-%m-%d} into {self.folder} ({written.n_bytes / 1e6:,.1f} MB).",
        ]
        after = [
            f"{written.churned:,} of them left ({written.churned / told.customers:.1%}). "
            f"{written.late_events:,} events ({written.late_events / n_events:.1%}) became known "
            "more than a day late.",
            f"Events: {kinds}.",
            *(
                f"Drift: {drift.kind} from day {drift.day} "
                f"({told.drift_at(drift.kind):%Y-%m-%d}) on."
                for drift in told.drifts
            ),
        ]
        return Group(*map(escape_text, lines), view, *map(escape_text, after))

    def to_json(self) -> dict[str, object]:
        told, written = self.simulation, self.written
        return {
            "folder": str(self.folder),
            "customers": told.customers,
            "days": told.days,
            "seed": told.seed,
            "starts_at": told.starts_at.isoformat(),
            "ends_at": told.ends_at.isoformat(),
            "drifts": [drift.model_dump(mode="json") for drift in told.drifts],
            "rows": written.rows,
            "events": written.events,
            "churned": written.churned,
            "late_events": written.late_events,
            "bytes": written.n_bytes,
        }


def simulate(
    folder: Path | str,
    *,
    customers: int = 10_000,
    days: int = 730,
    seed: int = 0,
    start: date = date(2024, 1, 1),
    drift: Iterable[str | Drift] = (),
    events_per_customer: float = 5.0,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Simulated:
    """Make a subscription business with a known hazard, known effects of offers, and its log.

    Memory is bounded whatever the size. The folder appears whole or not at all; its README.md
    says what each file is.

    Parameters
    ----------
    folder : where; new, or an empty folder
    customers : all who are customers on the first day or join later
    days : from the first day on
    seed : the same seed gives the same customers; customer k is the same in any size
    start : the first day, in UTC
    drift : ``covariate@DAY`` or ``concept@DAY``, each at most once; the first day is 0
    events_per_customer : logins and uses per customer and 30 days, on average, about; payments,
        tickets and price changes come on top (about 1.3)

    Raises
    ------
    SettingsInvalid : a number is out of range, or a drift is not understood
    FolderNotEmpty : there is something in the folder
    FolderReadOnly, DiskFull : it cannot be written; nothing is left
    Cancelled : somebody asked to stop; nothing is left
    """
    drifts = tuple(Drift.parse(one) if isinstance(one, str) else one for one in drift)
    try:
        simulation = Simulation(
            customers=customers,
            days=days,
            seed=seed,
            start=start,
            drifts=drifts,
            events_per_customer=events_per_customer,
        )
    except ValidationError as error:
        raise _invalid(error) from error
    home = Path(folder).expanduser().resolve()
    written = write_simulation(
        simulation,
        home,
        command=_command(home, simulation),
        versions={"churnkit": version("churnkit"), "numpy": np.__version__},
        progress=progress,
        cancel=cancel,
    )
    return Simulated(folder=home, simulation=simulation, written=written)


def _invalid(error: ValidationError) -> SettingsInvalid:
    first = error.errors()[0]
    if not first["loc"]:  # a rule about several fields at once: those of the drifts
        said = str(first["msg"]).removeprefix("Value error, ")
        return SettingsInvalid(
            f"{said}.", fix="Name each drift once, on a day that is simulated.", option="--drift"
        )
    option = f"--{str(first['loc'][0]).replace('_', '-')}"
    limits = first.get("ctx", {})
    if "ge" in limits:
        fix = f"Give {_plain(limits['ge'])} or more."
    elif "le" in limits:
        fix = f"Give {_plain(limits['le'])} or less."
    elif "lt" in limits:
        fix = f"Give less than {_plain(limits['lt'])}."
    else:
        fix = "Give another one."
    return SettingsInvalid(f"{_plain(first['input'])} cannot be used here.", fix=fix, option=option)


def _plain(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _command(home: Path, simulation: Simulation) -> str:
    words = [
        "churnkit", "simulate", home.name,
        "--customers", str(simulation.customers),
        "--days", str(simulation.days),
        "--seed", str(simulation.seed),
        "--start", simulation.start.isoformat(),
        "--events-per-customer", f"{simulation.events_per_customer:g}",
    ]  # fmt: skip
    for drift in simulation.drifts:
        words += ["--drift", f"{drift.kind}@{drift.day}"]
    return shlex.join(words)
