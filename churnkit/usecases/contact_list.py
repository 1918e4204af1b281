"""The list of whom to contact: the riskiest of those who were scored, as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
from rich.console import RenderableType

from churnkit.data.writing import open_writer
from churnkit.errors import DataEmpty, DataUnreadable
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import ErasureWatch

SCORES = "latest-scores.parquet"
"""Below the store: where the console keeps the latest scores."""


@dataclass(frozen=True, repr=False)
class ContactList(Result):
    """Where the list is, and who is on it."""

    output: Path
    n: int
    n_scored: int
    least_probability: float

    def __rich__(self) -> RenderableType:
        return escape_text(
            f"The {self.n:,} riskiest of {self.n_scored:,} customers (probability from "
            f"{self.least_probability:.3f} on) are in {self.output}"
        )

    def to_json(self) -> dict[str, object]:
        return {
            "output": str(self.output),
            "n": self.n,
            "n_scored": self.n_scored,
            "least_probability": self.least_probability,
        }


def contact_list(
    project: Project, output: Path | str, *, customers: int, scores: Path | str | None = None
) -> ContactList:
    """Write the riskiest customers of a file of scores, the riskiest first.

    Parameters
    ----------
    output : a .csv or .parquet file
    customers : how many, at least 1
    scores : what ``score`` wrote; None: the latest scores of the project's store

    Raises
    ------
    DataEmpty : there is nobody to put on the list
    DataUnreadable : there are no scores, or they cannot be read
    FolderReadOnly, DiskFull : the list cannot be written
    """
    if customers < 1:
        raise DataEmpty("a list needs at least one customer.", fix="Ask for 1 or more.")
    source = project.store / SCORES if scores is None else Path(scores).expanduser()
    path = Path(output).expanduser()
    erasures = ErasureWatch(project)
    chosen, n_scored = _riskiest(source, customers)
    with erasures.keeping(path), open_writer(path) as writer:
        for batch in chosen.to_batches():
            writer.write(batch)
    probabilities = chosen.column("probability").to_pylist()
    return ContactList(path, chosen.num_rows, n_scored, probabilities[-1] if probabilities else 1.0)


def _riskiest(source: Path, customers: int) -> tuple[pa.Table, int]:
    """The first rows by probability, and how many there are in all."""
    read = "read_csv" if source.suffix == ".csv" else "read_parquet"
    try:
        with duckdb.connect() as connection:
            connection.execute(f"create view scores as select * from {read}({_quoted(source)})")
            chosen = connection.sql(
                "select * from scores order by probability desc, customer_id limit $n",
                params={"n": customers},
            ).to_arrow_table()
            rows = connection.execute("select count(*) from scores").fetchall()
    except duckdb.Error as error:
        raise DataUnreadable(
            "there are no scores that can be read.",
            fix="Score the customers first, or name the file of scores.",
            file=source,
        ) from error
    return chosen, int(rows[0][0])


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
