"""Features of scored rows for the drift test: noted beside the requests, never kept as values."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from churnkit.domain.recording import PredictionColumns
from churnkit.project import Project
from churnkit.usecases.monitoring.drifting import note_features

EVERY_SECONDS = 1.0
Row = Mapping[str, object] | None


class Noting:
    """Takes as many rows as may be noted until the next round; others are let pass.

    Parameters
    ----------
    rows_per_second : 0: none
    """

    def __init__(self, project: Project, *, rows_per_second: int) -> None:
        self._project = project
        self._most = int(rows_per_second * EVERY_SECONDS)
        self._room = self._most
        self._waiting: list[tuple[PredictionColumns, Sequence[Row], Sequence[int]]] = []

    def note(self, columns: PredictionColumns, rows: Sequence[Row], places: Sequence[int]) -> None:
        """Remember scored rows, if there is room.

        Parameters
        ----------
        rows : what was asked for; of prediction i, the row at ``places[i]``
        """
        if self._room > 0:
            self._room -= len(columns)
            self._waiting.append((columns, rows, places))

    async def round(self) -> None:
        """Note what waits."""
        waiting, self._waiting, self._room = self._waiting, [], self._most
        if waiting:
            await asyncio.to_thread(self._note, waiting)

    def _note(
        self, waiting: Sequence[tuple[PredictionColumns, Sequence[Row], Sequence[int]]]
    ) -> None:
        found: dict[str, tuple[list[str], list[Mapping[str, object]], list[float]]]
        found = defaultdict(lambda: ([], [], []))
        for columns, rows, places in waiting:
            names, taken, probabilities = found[columns.model_version]
            for i, place in enumerate(places):
                row = rows[place]
                if row is not None and len(names) < self._most:
                    names.append(columns.prediction_ids[i])
                    taken.append(row)
                    probabilities.append(columns.probabilities[i])
        now = datetime.now(UTC)
        for version, (names, taken, probabilities) in found.items():
            note_features(self._project, version, names, taken, probabilities, now)
