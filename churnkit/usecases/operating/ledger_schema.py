"""The ledger's tables before and after an upgrade: which version they are, and one back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from rich.console import RenderableType

from churnkit.ledger.engine import make_engine
from churnkit.ledger.schema import Schema, read_schema, step_back
from churnkit.project import Project
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class LedgerSchema(Result):
    """The tables' version."""

    schema: Schema

    def __rich__(self) -> RenderableType:
        known = self.schema
        if known.current is None:
            return f"The ledger has no tables yet; this churnkit makes version {known.newest}."
        text = f"The ledger's tables are of version {known.current}"
        if known.current == known.newest:
            text += ", the newest that this churnkit knows."
        else:
            text += f"; this churnkit brings them to {known.newest} when it opens the project."
        if known.back is not None:
            return f"{text} One step back leads to {known.back}."
        return f"{text} There is no step back from it."

    def to_json(self) -> dict[str, object]:
        return vars(self.schema).copy()


@dataclass(frozen=True, repr=False)
class SteppedBack(Result):
    """The tables went one version back."""

    before: str
    after: str

    def __rich__(self) -> RenderableType:
        return (
            f"The ledger's tables went from version {self.before} back to {self.after}. Now "
            "install the churnkit that made these: this one would bring them forward again."
        )

    def to_json(self) -> dict[str, object]:
        return {"before": self.before, "after": self.after}


def ledger_schema(project: Project) -> LedgerSchema:
    """Which version the tables are of; unlike all other verbs this brings nothing up to date.

    Raises
    ------
    StorageUnreachable : the database does not answer
    """
    with _engine(project) as engine:
        return LedgerSchema(read_schema(engine))


def ledger_back(project: Project) -> SteppedBack:
    """Bring the tables one version back, before an older churnkit is installed again.

    Raises
    ------
    StorageError : there is no step back from here
    StorageUnreachable : the database does not answer
    """
    with _engine(project) as engine:
        return SteppedBack(*step_back(engine))


@contextmanager
def _engine(project: Project) -> Iterator[sa.Engine]:
    engine = make_engine(project.ledger_url)
    try:
        yield engine
    finally:
        engine.dispose()
