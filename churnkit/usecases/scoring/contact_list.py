"""The list of whom to contact: the riskiest of those who were scored, as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import RenderableType

from churnkit.data.writing import open_writer
from churnkit.errors import ColumnMissing, DataEmpty, DataUnreadable, did_you_mean
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
            f"{self.n:,} of {self.n_scored:,} customers (probability from "
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
    project: Project,
    output: Path | str,
    *,
    customers: int | None,
    scores: Path | str | None = None,
    bands: Sequence[str] = (),
    low: float = 0.0,
    high: float = 1.0,
    search: str = "",
    sort: str = "probability",
    descending: bool = True,
) -> ContactList:
    """Write the riskiest customers of a file of scores, the riskiest first; or others of them.

    Parameters
    ----------
    output : a .csv or .parquet file
    customers : how many, at least 1; None: all that are found
    scores : what ``score`` wrote; None: the latest scores of the project's store
    bands : risk bands; empty: all
    low, high : limits of the probability, both included
    search : a part of the customer's id, upper and lower case alike
    sort, descending : a column of the scores, and its direction; ties go by customer_id

    Raises
    ------
    DataEmpty : there is nobody to put on the list
    ColumnMissing : the scores have no such column
    DataUnreadable : there are no scores, or they cannot be read
    FolderReadOnly, DiskFull : the list cannot be written
    """
    if customers is not None and customers < 1:
        raise DataEmpty("a list needs at least one customer.", fix="Ask for 1 or more.")
    source = project.store / SCORES if scores is None else Path(scores).expanduser()
    path = Path(output).expanduser()
    erasures = ErasureWatch(project)
    conditions: list[str] = ["probability between $low and $high"]
    values: dict[str, object] = {"low": low, "high": high}
    if bands:
        conditions.append("list_contains($bands, risk_band)")
        values["bands"] = list(bands)
    if search.strip():
        conditions.append("contains(lower(customer_id), lower($search))")
        values["search"] = search.strip()
    if customers is not None:
        values["n"] = customers
    chosen, n_scored = _chosen(
        source,
        f"where {' and '.join(conditions)} order by {_name(sort)} "
        f"{'desc' if descending else 'asc'} nulls last, customer_id"
        + (" limit $n" if customers is not None else ""),
        values,
        sort,
    )
    with erasures.keeping(path), open_writer(path) as writer:
        for batch in chosen.to_batches():
            writer.write(batch)
    least = pc.min(chosen.column("probability")).as_py()
    return ContactList(path, chosen.num_rows, n_scored, 1.0 if least is None else least)


def _chosen(
    source: Path, clauses: str, values: dict[str, object], sort: str
) -> tuple[pa.Table, int]:
    """Some rows, and how many there are in all."""
    read = "read_csv" if source.suffix == ".csv" else "read_parquet"
    try:
        with duckdb.connect() as connection:
            connection.execute(f"create view scores as select * from {read}({_quoted(source)})")
            names = connection.sql("select * from scores limit 0").columns
            if sort not in names:
                raise ColumnMissing(
                    f"the scores have no column '{sort}'.",
                    fix=did_you_mean(sort, names),
                    file=source,
                )
            chosen = connection.sql(f"select * from scores {clauses}", params=values)
            rows = connection.execute("select count(*) from scores").fetchall()
            return chosen.to_arrow_table(), int(rows[0][0])
    except duckdb.Error as error:
        raise DataUnreadable(
            "there are no scores that can be read.",
            fix="Score the customers first, or name the file of scores.",
            file=source,
        ) from error


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
