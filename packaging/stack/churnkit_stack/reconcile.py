"""What was acknowledged against what is in the ledger, by source."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import sqlalchemy as sa

from churnkit_stack.acknowledged import Acknowledged
from churnkit_stack.asking import SOURCES, Asking


@dataclass(frozen=True)
class Line:
    """One source.

    Parameters
    ----------
    acknowledged : rows that the service said it stored
    stored : rows that are in the ledger
    missing : acknowledged, and not there
    repeated : acknowledged or stored more than once
    unknown : rows of requests without an answer, or whose commit nobody knows of: they may be there
    """

    source: str
    acknowledged: int
    stored: int
    missing: int
    repeated: int
    unknown: int

    @property
    def doubled(self) -> int:
        """What is there too often: a repeated row, or one that nobody asked for."""
        surplus = self.stored + self.missing - self.acknowledged - self.unknown
        return max(self.repeated, surplus, 0)

    @property
    def right(self) -> bool:
        """Everything that was acknowledged is there once, and nothing else."""
        return not self.missing and not self.doubled


@dataclass(frozen=True)
class Shadows:
    """What the silent model of a rollout wrote.

    Parameters
    ----------
    stored : its predictions
    repeated : of them, further ones for the same prediction that answered
    orphans : of them, those for a prediction that is not there
    """

    stored: int
    repeated: int
    orphans: int

    @property
    def right(self) -> bool:
        """Each belongs to one prediction that answered."""
        return not self.repeated and not self.orphans

    def __str__(self) -> str:
        told = f"{self.stored:,} were scored by the silent model, too"
        if self.right:
            return f"{told}: none twice, none without the prediction that answered."
        return f"{told}: {self.repeated:,} twice, {self.orphans:,} without the one that answered."


@dataclass(frozen=True)
class Reconciliation:
    """All sources."""

    lines: tuple[Line, ...]
    shadows: Shadows

    @property
    def right(self) -> bool:
        """Nothing was lost, nothing is there twice."""
        return not self.wrong

    @property
    def wrong(self) -> list[str]:
        """What does not agree."""
        found = [
            f"{line.source}: {line.missing:,} missing, {line.doubled:,} doubled"
            for line in self.lines
            if not line.right
        ]
        return found if self.shadows.right else [*found, f"silent predictions: {self.shadows}"]

    def __str__(self) -> str:
        predictions = [line for line in self.lines if line.source in SOURCES]
        total = Line(
            "all",
            *(
                sum(getattr(line, name) for line in predictions)
                for name in ("acknowledged", "stored", "missing", "repeated", "unknown")
            ),
        )
        rest = [line for line in self.lines if line.source not in SOURCES]
        head = f"{'source':<10}{'acknowledged':>13}{'stored':>9}{'missing':>9}{'doubled':>9}"
        rule = "-" * (len(head) + 9)
        return "\n".join(
            [f"{head}{'unknown':>9}", *map(_told, predictions), rule, _told(total),
             *map(_told, rest), str(self.shadows)]
        )  # fmt: skip


def _told(line: Line) -> str:
    told = (
        f"{line.source:<10}{line.acknowledged:>13,}{line.stored:>9,}{line.missing:>9,}"
        f"{line.doubled:>9,}{line.unknown:>9,}"
    )
    return told if line.right else f"{told}  WRONG"


def reconcile(database_url: str, asking: Asking, done: Acknowledged) -> Reconciliation:
    """Count both sides; a source's predictions are those of its customers."""
    source_of = {name: source for source in SOURCES for name in asking.of(source)}
    stored: dict[str, list[str]] = {source: [] for source in SOURCES}
    by_batch: dict[str, Counter[str]] = defaultdict(Counter)
    shadow_of: list[str] = []
    engine = sa.create_engine(database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = sa.text("select prediction_id, customer_id, request_id, shadow_of from predictions")
        for prediction_id, customer_id, request_id, answered in connection.execute(query):
            if answered is not None:
                shadow_of.append(answered)
                continue
            source = source_of[customer_id]
            stored[source].append(prediction_id)
            if source == "batch":
                by_batch[request_id][customer_id] += 1
        query = sa.text("select customer_id, as_of from outcomes")
        outcomes = [(name, as_of) for name, as_of in connection.execute(query)]
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
                repeated=len(told) - len(set(told)) + len(there) - len(set(there)),
                unknown=done.lost[source],
            )
        )
    lines.append(
        Line(
            source="outcomes",
            acknowledged=len(done.outcomes),
            stored=len(outcomes),
            missing=len(done.outcomes - set(outcomes)),
            repeated=len(outcomes) - len(set(outcomes)),
            unknown=0,
        )
    )
    answered_ids = {one for ids in stored.values() for one in ids}
    shadows = Shadows(
        stored=len(shadow_of),
        repeated=len(shadow_of) - len(set(shadow_of)),
        orphans=len(set(shadow_of) - answered_ids),
    )
    return Reconciliation(tuple(lines), shadows)


def _batches(stored: dict[str, Counter[str]], done: Acknowledged) -> Line:
    """Each customer of a batch that finished is there once in its name."""
    return Line(
        source="batch",
        acknowledged=sum(map(len, done.batches.values())),
        stored=sum(sum(found.values()) for found in stored.values()),
        missing=sum(
            len(set(names) - set(stored.get(job, ()))) for job, names in done.batches.items()
        ),
        repeated=sum(n - 1 for found in stored.values() for n in found.values()),
        unknown=done.lost["batch"],
    )
