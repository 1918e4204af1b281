"""A table scored by both models of a rollout: each customer is answered by his arm.

The challenger never keeps anybody from an answer: where it cannot score, the champion answers,
and the failure is evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.scoring_input import TypedBatch
from churnkit.errors import Cancelled, ChurnkitError, DataEmpty
from churnkit.inference.batch import ScoreNotes, score_batches
from churnkit.inference.predictor import Predictor
from churnkit.rollout.assignment import CHALLENGER, CHAMPION
from churnkit.usecases.rollouts.arms import Arms

SHADOW = ("shadow_probability", "shadow_risk_band", "shadow_version")
"""What the silent model says, beside the answer; null where it could not say it."""


@dataclass
class PairNotes:
    """What became of the pairing."""

    answered: dict[str, int] = field(default_factory=lambda: {CHAMPION: 0, CHALLENGER: 0})
    trouble: ChurnkitError | None = None
    """Why the challenger did not score all of them."""


def score_pairs(
    arms: Arms,
    champion: Predictor,
    batches: Iterable[TypedBatch],
    *,
    challenger: Callable[[], tuple[Predictor, Iterable[TypedBatch]]],
    reasons: int,
    notes: ScoreNotes,
    pair_notes: PairNotes,
) -> Iterator[pa.RecordBatch]:
    """The answers, with ``variant`` and what the silent model says (``SHADOW``).

    Parameters
    ----------
    batches : the table as the champion reads it
    challenger : loads the challenger and the same table as it reads it
    reasons : of each answer
    """
    silent = _Challenger(challenger, 0 if arms.shadow_only else reasons)
    for answered in score_batches(champion, batches, reasons=reasons, notes=notes):
        ids = answered.column("customer_id").to_pylist()
        other = silent.rows(ids)
        if other is None:
            pair_notes.trouble = silent.trouble
            pair_notes.answered[CHAMPION] += len(ids)
            yield alone(answered)
            continue
        chosen = pa.array([arm == CHALLENGER for arm in arms.assignment.arms(ids)], pa.bool_())
        n = pc.sum(chosen).as_py() or 0
        pair_notes.answered[CHALLENGER] += n
        pair_notes.answered[CHAMPION] += len(ids) - n
        yield pair_up(answered, other, chosen)


def output_columns(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The answers alone: nobody who reads scores needs the other model's."""
    return batch.drop_columns(list(SHADOW))


def pair_up(
    champion: pa.RecordBatch, challenger: pa.RecordBatch, chosen: pa.Array
) -> pa.RecordBatch:
    """The answers of both arms, with what the silent one says.

    Parameters
    ----------
    chosen : whom the challenger answers
    """
    n = pc.sum(chosen).as_py() or 0

    def picked(name: str) -> pa.Array:
        ours = champion.column(name)
        # In shadow the challenger gives no reasons.
        return ours if n == 0 else pc.if_else(chosen, challenger.column(name), ours)

    def other(name: str) -> pa.Array:
        return pc.if_else(chosen, champion.column(name), challenger.column(name))

    columns = {name: picked(name) for name in champion.schema.names}
    columns["variant"] = pc.if_else(chosen, CHALLENGER, CHAMPION)
    for name, source in zip(SHADOW, ("probability", "risk_band", "model_version"), strict=True):
        columns[name] = other(source)
    return pa.RecordBatch.from_pydict(columns)


def alone(champion: pa.RecordBatch) -> pa.RecordBatch:
    """The champion's answers, where the challenger says nothing."""
    n = champion.num_rows
    columns = {name: champion.column(name) for name in champion.schema.names}
    columns["variant"] = pa.repeat(pa.scalar(CHAMPION, pa.string()), n)
    for name, kind in zip(SHADOW, (pa.float64(), pa.string(), pa.string()), strict=True):
        columns[name] = pa.nulls(n, kind)
    return pa.RecordBatch.from_pydict(columns)


class _Challenger:
    """Its scores for the same customers, until something goes wrong."""

    def __init__(
        self, load: Callable[[], tuple[Predictor, Iterable[TypedBatch]]], reasons: int
    ) -> None:
        self._load = load
        self._reasons = reasons
        self._stream: Iterator[pa.RecordBatch] | None = None
        self._kept: pa.Table
        self._places: dict[str, int] = {}
        self.trouble: ChurnkitError | None = None

    def rows(self, ids: list[str]) -> pa.RecordBatch | None:
        """Its scores of these customers, in their order; None: it cannot give them."""
        if self.trouble is not None:
            return None
        try:
            return self._rows(ids)
        except Cancelled:
            raise
        except ChurnkitError as error:
            self.trouble = error
            return None

    def _rows(self, ids: list[str]) -> pa.RecordBatch:
        if self._stream is None:
            predictor, batches = self._load()
            self._stream = score_batches(predictor, batches, reasons=self._reasons)
        if not self._places:
            batch = next(self._stream, None)
            if batch is not None and batch.column("customer_id").to_pylist() == ids:
                return batch
            self._keep(batch)
        # Another set of features may come in another order: then the customers are looked up.
        while not all(name in self._places for name in ids):
            self._keep(next(self._stream, None))
        found = self._kept.take(pa.array([self._places[name] for name in ids], pa.int64()))
        return found.combine_chunks().to_batches()[0]

    def _keep(self, batch: pa.RecordBatch | None) -> None:
        if batch is None:
            raise DataEmpty("the challenger's table lacks customers whom the champion's has.")
        part = pa.Table.from_batches([batch])
        start = len(self._places)
        self._kept = part if start == 0 else pa.concat_tables([self._kept, part])
        for place, name in enumerate(batch.column("customer_id").to_pylist(), start):
            self._places[name] = place
