"""What scoring a file or a table of customers came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table

from churnkit.reporting.tables import escape_text
from churnkit.usecases.result import Result

BANDS = ("high", "medium", "low")


@dataclass(frozen=True, repr=False)
class Scored(Result):
    """Customers and their probabilities of leaving."""

    n_rows: int
    model_version: str
    output: Path | None
    table: pa.Table | None
    """The scores, when no output file was named."""
    mean_probability: float
    bands: dict[str, int]
    reasons: int
    recorded: bool
    as_of: datetime | None = None
    """In a project of events the moment that was looked from."""
    extra_columns: tuple[str, ...] = ()
    unseen: dict[str, dict[str, int]] = field(default_factory=dict)
    """Categories that the model had not seen: column → value → rows."""
    rollout_id: str | None = None
    """The rollout or experiment that shared the customers out between two models."""
    answered: dict[str, int] = field(default_factory=dict)
    """In a rollout: how many customers each arm answered."""
    n_erased: int = 0
    """Customers who were erased before, and are left out."""
    trouble: str = ""
    """In a rollout: why the challenger did not score all of them."""

    def to_pandas(self) -> Any:
        """The scores as a pandas DataFrame (only when no output file was named)."""
        return None if self.table is None else self.table.to_pandas()

    def __rich__(self) -> RenderableType:
        where = f" into {self.output}" if self.output else ""
        when = f" as of {self.as_of:%Y-%m-%d %H:%M} UTC" if self.as_of else ""
        view = Table(box=None, pad_edge=False, header_style="bold")
        view.add_column("risk")
        view.add_column("customers", justify="right")
        view.add_column("share", justify="right")
        for band in BANDS:
            n = self.bands.get(band, 0)
            view.add_row(band, f"{n:,}", f"{n / self.n_rows:.1%}")
        lines: list[RenderableType] = [
            escape_text(
                f"Scored {self.n_rows:,} customers with {self.model_version}{when}{where}."
            ),
            view,
            f"Mean probability of leaving: {self.mean_probability:.3f}.",
        ]
        if self.extra_columns:
            names = ", ".join(self.extra_columns[:8]) + (
                " …" if len(self.extra_columns) > 8 else ""
            )
            lines.append(escape_text(f"The model does not read these columns: {names}."))
        for column, values in self.unseen.items():
            shown = ", ".join(f"'{value}' ({n:,} rows)" for value, n in list(values.items())[:5])
            lines.append(escape_text(f"New categories in '{column}', treated as missing: {shown}."))
        if self.rollout_id:
            shares = ", ".join(f"{arm} {n:,}" for arm, n in self.answered.items())
            what = "Experiment" if self.rollout_id.startswith("e") else "Rollout"
            lines.append(f"{what} {self.rollout_id} shared them out: {shares}.")
        if self.n_erased:
            lines.append(f"Left out, because they were erased: {self.n_erased:,} customers.")
        if self.trouble:
            lines.append(escape_text(f"The champion answered for the challenger: {self.trouble}"))
        if self.recorded:
            lines.append("The predictions are in the ledger.")
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        return {
            "n_rows": self.n_rows,
            "model_version": self.model_version,
            "output": str(self.output) if self.output else None,
            "mean_probability": self.mean_probability,
            "bands": self.bands,
            "reasons": self.reasons,
            "recorded": self.recorded,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "extra_columns": list(self.extra_columns),
            "unseen_categories": self.unseen,
            "rollout_id": self.rollout_id,
            "answered": self.answered,
            "n_erased": self.n_erased,
            "trouble": self.trouble,
        }
