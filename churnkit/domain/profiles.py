"""What was seen in a table: roles, columns, duplicates, leakage."""

from __future__ import annotations

from typing import Literal

from churnkit.domain.columns import ColumnKind
from churnkit.domain.frozen import Frozen

Role = Literal["id", "target", "time", "input", "ignore"]


class RoleGuess(Frozen):
    """What a column seems to be for, and why."""

    column: str
    role: Role
    ground: str
    positive: str = ""
    """For a target: the value that means 'left'."""


class ColumnProfile(Frozen):
    """One column in figures.

    ``missing`` counts all missing values, ``blanks`` those of them that were blank text;
    ``missing_words`` are frequent texts that look like a coded missing value ("Unknown") but
    were kept; ``low``/``high``/``mean`` are for numbers; ``top`` are the most frequent values
    with their counts.
    """

    name: str
    kind: ColumnKind
    role: Role
    missing: int
    blanks: int
    missing_words: tuple[str, ...]
    distinct: int
    constant: bool
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    top: tuple[tuple[str, int], ...] = ()
    note: str = ""


class LeakFinding(Frozen):
    """A column that seems to know the answer.

    ``kind``: ``predicts`` (alone it predicts too well; figure = AUC in [0.5, 1]), ``filled``
    (filled almost only for one class; figure = share of filled rows in that class), ``copy``
    (nearly equal to the label; figure = share of rows that agree), ``id`` (the row's name
    predicts; figure = AUC).
    """

    column: str
    kind: Literal["predicts", "filled", "copy", "id"]
    figure: float
    evidence: str
    blocked: bool


class TableProfile(Frozen):
    """A table in figures.

    ``duplicates`` counts rows that repeat an earlier one in all columns but the id;
    ``conflicting`` counts groups of rows equal in all inputs whose labels differ.
    """

    source: str
    n_rows: int
    n_positive: int
    target: str
    positive: str
    columns: tuple[ColumnProfile, ...]
    duplicate_ids: int
    duplicates: int
    conflicting: int
    leaks: tuple[LeakFinding, ...]
    fingerprint: str

    @property
    def rate(self) -> float:
        """Share of customers that left, in [0, 1]."""
        return self.n_positive / self.n_rows if self.n_rows else 0.0

    @property
    def blocked(self) -> tuple[str, ...]:
        """The columns that may not be trained on."""
        return tuple(dict.fromkeys(leak.column for leak in self.leaks if leak.blocked))
