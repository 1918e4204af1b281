"""What a file looks like before it is imported: its first rows, and what its columns seem to be."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Group, RenderableType

from churnkit.data.importing import import_table
from churnkit.data.reading import read_arrow
from churnkit.data.roles import guess_roles
from churnkit.data.samples.locate import telco_path
from churnkit.data.sources import Source, open_source
from churnkit.data.target import value_text
from churnkit.domain.columns import TableColumn
from churnkit.domain.profiles import RoleGuess
from churnkit.domain.progress import Cancel
from churnkit.errors import ChurnkitError
from churnkit.reporting.tables import roles_table
from churnkit.usecases.projects.create_events import recognise_data
from churnkit.usecases.result import Result

PREVIEW_ROWS = 5_000
SHOWN_ROWS = 100


@dataclass(frozen=True, repr=False)
class Preview(Result):
    """The head of a file; roles are guessed on it, and may turn out otherwise on all rows.

    ``kind`` is ``snapshot`` (a row per customer) or ``events`` (a log), ``ground`` says why.
    ``binary`` are the columns with two values, with these values: what could be the target.
    ``problem`` is why no target could be guessed.
    """

    source: str
    kind: str
    ground: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    roles: tuple[RoleGuess, ...]
    binary: dict[str, tuple[str, ...]]
    n_rows: int
    complete: bool
    """Whether these are all rows of the file."""
    problem: ChurnkitError | None = None

    def __rich__(self) -> RenderableType:
        more = "" if self.complete else " or more"
        head = f"{self.source}: {self.n_rows:,} rows{more}; it is a {self.kind}: {self.ground}."
        return Group(head, roles_table(self.roles)) if self.roles else head

    def to_json(self) -> dict[str, object]:
        return {
            "source": self.source,
            "kind": self.kind,
            "n_rows": self.n_rows,
            "complete": self.complete,
            "roles": [guess.model_dump(mode="json") for guess in self.roles],
        }


def preview(
    data: Path | str, *, query: str = "", sheet: str = "", n_rows: int = PREVIEW_ROWS
) -> Preview:
    """Look at the first rows of a file or a query; nothing is written.

    Raises
    ------
    DataError : it cannot be read as a table
    """
    kind, ground = recognise_data(str(data), query=query)
    head = _Head(open_source(data, query=query, sheet=sheet), n_rows)
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "preview.duckdb"
        schema = import_table(head, path)
        table = read_arrow(path)
    roles: tuple[RoleGuess, ...] = ()
    problem: ChurnkitError | None = None
    if kind == "snapshot":
        try:
            roles = guess_roles(table, schema)
        except ChurnkitError as error:
            problem = error
    shown = table.slice(0, SHOWN_ROWS)
    columns = [[value_text(value) for value in column.to_pylist()] for column in shown.columns]
    return Preview(
        source=head.name,
        kind=kind,
        ground=ground,
        columns=schema.columns,
        rows=tuple(zip(*columns, strict=True)),
        roles=roles,
        binary=_binary(table),
        n_rows=schema.n_rows,
        complete=head.complete,
        problem=problem,
    )


def sample_file() -> Path:
    """The shipped sample: 7,043 fictional customers of a telephone company."""
    return telco_path()


def _binary(table: pa.Table) -> dict[str, tuple[str, ...]]:
    found = {}
    for name in table.column_names:
        values = pc.unique(table.column(name)).drop_null()
        if len(values) == 2:
            found[name] = tuple(sorted(value_text(value) for value in values.to_pylist()))
    return found


class _Head:
    """A source that ends after some rows."""

    def __init__(self, source: Source, n_rows: int) -> None:
        self._source, self._n_rows = source, n_rows
        self.complete = True

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def row_offset(self) -> int:
        return self._source.row_offset

    def columns(self) -> tuple[str, ...]:
        return self._source.columns()

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        left = self._n_rows
        for batch in self._source.batches(cancel):
            if batch.num_rows > left:
                self.complete = False
                batch = batch.slice(0, left)
            left -= batch.num_rows
            yield batch
            if not left:
                return
