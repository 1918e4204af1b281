"""Features of a sample of the customers that are scored from a table, for the test of their drift.

Who is in the sample follows from a hash of his id, never from his values or his place in the
table. Which bin a value falls into is noted, not the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.scoring_input import TypedBatch
from churnkit.domain.predictions import PredictionRow
from churnkit.project import Project
from churnkit.rollout.assignment import buckets
from churnkit.usecases.monitoring.drifting import note_features

MOST = 5_000
"""Customers of one table whose features are noted: a tenth of an sd is seen with fewer."""
_SALT = "drift"


@dataclass(frozen=True, slots=True)
class Noted:
    """Scored rows of a sample, with their predictions."""

    ids: list[str]
    rows: list[dict[str, object]]
    probabilities: list[float]


def sampled(
    batch: TypedBatch,
    prediction_ids: Sequence[str],
    scores: pa.RecordBatch,
    *,
    version: str,
    share: float,
) -> Noted:
    """About this share of a batch's customers, if this version scored them.

    Parameters
    ----------
    prediction_ids, scores : of the batch's rows
    """
    chosen = buckets(batch.ids.to_pylist(), salt=_SALT) < share
    mine = pc.equal(scores.column("model_version"), version).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(chosen & mine.astype(np.bool_))
    rows = pa.table(batch.columns).take(pa.array(places)).to_pylist()
    probabilities = scores.column("probability").take(pa.array(places)).to_pylist()
    return Noted([prediction_ids[place] for place in places.tolist()], rows, probabilities)


class FeatureNotes:
    """Keeps the customers with the smallest hashes among all that pass by."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: pa.Table | None = None
        self._places: dict[str, int] = {}
        self._noted: dict[int, tuple[str, float]] = {}

    def passing(self, batches: Iterable[TypedBatch]) -> Iterator[TypedBatch]:
        """The batches, as they are."""
        for batch in batches:
            self._see(batch)
            yield batch

    def recorded(self, rows: Iterable[PredictionRow], version: str) -> None:
        """Which predictions were recorded; those of other versions read other features."""
        if not self._places and self._kept is not None:
            names = self._kept.column("id").to_pylist()
            self._places = {name: place for place, name in reversed(list(enumerate(names)))}
        for row in rows:
            place = self._places.get(row.customer_id)
            if place is not None and row.model_version == version:
                self._noted.setdefault(place, (row.prediction_id, row.probability))

    def write(self, project: Project, version: str, now: datetime) -> int:
        """Note the sample in the ledger; gives how many customers."""
        if self._kept is None or not self._noted:
            return 0
        places = sorted(self._noted)
        rows = self._kept.drop_columns(["id", "hash"]).take(pa.array(places)).to_pylist()
        ids, probabilities = zip(*(self._noted[place] for place in places), strict=True)
        return note_features(project, version, ids, rows, probabilities, now)

    def _see(self, batch: TypedBatch) -> None:
        hashes = buckets(batch.ids.to_pylist(), salt=_SALT)
        columns = {"id": batch.ids, "hash": pa.array(hashes), **batch.columns}
        part = pa.table(columns)
        if len(hashes) > self._most:
            part = part.take(pa.array(np.argpartition(hashes, self._most)[: self._most]))
        both = part if self._kept is None else pa.concat_tables([self._kept, part])
        if both.num_rows > self._most:
            found = both.column("hash").to_numpy()
            both = both.take(pa.array(np.argpartition(found, self._most)[: self._most]))
        self._kept = both
