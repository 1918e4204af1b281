"""What was acknowledged against what is in the ledger, by source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from churnkit_stack.acknowledged import Acknowledged
from churnkit_stack.asking import SOURCES, Asking


@dataclass(frozen=True)
class Line:
    """One source.

    ``unknown`` rows were asked for without a key, and the answer was lost: they may be there.
    """

    source: str
    acknowledged: int
    stored: int
    missing: int
    doubled: int
    unknown: int

    @property
    def right(self) -> bool:
        """Everything that was acknowledged is there once, and nothing else."""
        surplus = self.stored - self.acknowledged
        return not self.missing and not self.doubled and 0 <= surplus <= self.unknown


@dataclass(frozen=True)
class Reconciliation:
    """All sources."""

    lines: tuple[Line, ...]

    @property
    def right(self) -> bool:
        """Nothing was lost, nothing is there twice."""
        return all(line.right for line in self.lines)

    def __str__(self) -> str:
        head = f"{'source':<9}{'acknowledged':>13}{'stored':>9}{'missing':>9}{'doubled':>9}"
        rows = [
            f"{line.source:<9}{line.acknowledged:>13,}{line.stored:>9,}{line.missing:>9,}"
            f"{line.doubled:>9,}{line.unknown:>9,}  {'' if line.right else 'WRONG'}"
            for line in self.lines
        ]
        rows.insert(0, f"{head}{'unknown':>9}")
        return "\n".join(row.rstrip() for row in rows)


def reconcile(database_url: str, asking: Asking, done: Acknowledged) -> Reconciliation:
    """Count both sides; a source's predictions are those of its customers."""
    source_of = {name: source for source in SOURCES for name in asking.of(source)}
    stored: dict[str, list[str]] = {source: [] for source in SOURCES}
    by_batch: Counter[str] = Counter()
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = sa.text(
            "select prediction_id, customer_id, request_id from predictions where shadow_of is null"
        )
        for prediction_id, customer_id, request_id in connection.execute(query):
            source = source_of[customer_id]
            stored[source].append(prediction_id)
            if source == "batch":
                by_batch[request_id] += 1
    engine.dispose()
    lines = []
    for source in SOURCES:
        if source == "batch":
            lines.append(_batches(by_batch, done))
            continue
        told, there = done.predictions[source], stored[source]
        lines.append(
            Line(
                source=source,
                acknowledged=len(told),
                stored=len(there),
                missing=len(set(told) - set(there)),
                doubled=len(told) - len(set(told)) + len(there) - len(set(there)),
                unknown=done.lost[source],
            )
        )
    return Reconciliation(tuple(lines))


def _batches(stored: Counter[str], done: Acknowledged) -> Line:
    """Batches are told by their number of rows."""
    return Line(
        source="batch",
        acknowledged=sum(done.batches.values()),
        stored=sum(stored.values()),
        missing=sum(max(0, n - stored[name]) for name, n in done.batches.items()),
        doubled=sum(max(0, n - done.batches.get(name, n)) for name, n in stored.items()),
        unknown=0,
    )
