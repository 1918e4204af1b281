"""Rows that arrive one by one or a thousand at once, scored without a Python object per cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.predictions import FieldFault, Reason
from churnkit.errors import BadValue, ColumnMissing
from churnkit.inference.predictor import Predictor, plain_value
from churnkit.inference.reasons import reasons_one

Floats = NDArray[np.float64]
Row = Mapping[str, object]
_BANDS = np.array(["low", "medium", "high"], dtype=object)


@dataclass(slots=True)
class OnlineScores:
    """Answers for the rows that could be read, in their order.

    ``unknown`` holds, by the row's place in these lists, the columns whose category the model
    had not seen; ``faults``, by its place in what was given, what is wrong with a row that is
    not among the answers.
    """

    probabilities: list[float]
    risk_bands: list[str]
    reasons: list[list[dict[str, Any]]]
    unknown: dict[int, tuple[str, ...]] = field(default_factory=dict)
    faults: dict[int, tuple[FieldFault, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Base:
    """What reasons start from: the model's probability and margin at its base, and the share of
    the training customers who left."""

    probability: float
    margin: float
    rate: float


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a row has its probability.

    ``probability == base.probability + points of all reasons`` to 1e-6; there is a reason for
    each column, the strongest first. ``margin`` is what the model adds up before its
    calibration, ``unknown`` the columns whose category it had not seen.
    """

    probability: float
    risk_band: str
    margin: float
    reasons: tuple[Reason, ...]
    unknown: tuple[str, ...]


class OnlineScorer:
    """One model version, ready to answer; safe to share between threads.

    Parameters
    ----------
    predictor : the model
    feature_hash : of the FeatureSet that its columns are built by; empty: of a snapshot
    bundle_hash : of the files that it was made of
    """

    def __init__(self, predictor: Predictor, feature_hash: str = "", bundle_hash: str = "") -> None:
        self._predictor = predictor
        self.feature_hash = feature_hash
        self.bundle_hash = bundle_hash
        self._encoder = predictor.encoder
        self._names = predictor.schema.names()
        self._medium = predictor.serving.medium_risk
        self._high = predictor.serving.high_risk
        self._predict_one = predictor.compiled.predict_of
        self.version = predictor.version
        self.schema = predictor.schema

    def warm(self) -> None:
        """Build what is built at the first use: explainer, pipeline, imports."""
        row: dict[str, object] = dict.fromkeys(self._names)
        self.score([row], reasons=1)
        self.score([row] * 1_000)

    def score(self, rows: Sequence[Row], *, reasons: int = 0) -> OnlineScores:
        """Score raw rows; one that cannot be read does not spoil the others.

        Parameters
        ----------
        reasons : how many reasons each row gets, the strongest first
        """
        if len(rows) == 1 and not reasons:
            return self._score_one(rows[0])
        faults: dict[int, tuple[FieldFault, ...]] = {}
        try:
            X = self._encoder.encode_rows(rows)
            troubled = max(map(len, rows)) > len(self._names) and any(
                self._encoder.strange(row) for row in rows
            )
        except (BadValue, ColumnMissing):
            troubled = True
        if troubled:
            faults = {
                i: found for i, row in enumerate(rows) if (found := self._encoder.faults(row))
            }
            rows = [row for i, row in enumerate(rows) if i not in faults]
            if not rows:
                return OnlineScores([], [], [], {}, faults)
            X = self._encoder.encode_rows(rows)
        if len(rows) == 1:
            probabilities = [self._predictor.compiled.predict_one(X[0])]
        else:
            probabilities = self._predictor.predict_encoded(X).tolist()
        return OnlineScores(
            probabilities,
            self._bands(probabilities),
            self._reasons(rows, X, reasons) if reasons else [],
            self._unknown(rows, X),
            faults,
        )

    def _score_one(self, row: Row) -> OnlineScores:
        """The common request: one row, no reasons."""
        try:
            x = self._encoder.values(row)
            strange = self._encoder.strange(row)
        except (BadValue, ColumnMissing):
            strange = self._encoder.faults(row)
        if strange:
            return OnlineScores([], [], [], {}, {0: strange})
        p = self._predict_one(x)
        scores = OnlineScores([p], [self._band(p)], [])
        total = sum(x)  # NaN if one of them is
        if total != total and (unseen := self._encoder.unseen(row)):
            scores.unknown[0] = unseen
        return scores

    def explain(self, row: Row) -> Explained | tuple[FieldFault, ...]:
        """Why a raw row has its probability; or what is wrong with the row."""
        faults = self._encoder.faults(row)
        if faults:
            return faults
        compiled, names = self._predictor.compiled, self._names
        x = self._encoder.encode(row)
        points, order, probability = reasons_one(compiled, x)
        reasons = tuple(
            Reason(column=names[i], value=plain_value(row[names[i]]), points=float(points[i]))
            for i in order.tolist()
        )
        return Explained(
            probability=probability,
            risk_band=self._band(probability),
            margin=float(compiled.engine.margin_one(x)),
            reasons=reasons,
            unknown=self._encoder.unseen(row),
        )

    @property
    def base(self) -> Base:
        """What reasons start from."""
        compiled = self._predictor.compiled
        margin = float(compiled.engine.base_margin)
        return Base(compiled.calibration.one(margin), margin, self._predictor.base_rate)

    def _band(self, probability: float) -> str:
        if probability >= self._high:
            return "high"
        return "medium" if probability >= self._medium else "low"

    def _bands(self, probabilities: Sequence[float]) -> list[str]:
        p = np.asarray(probabilities)
        places = (p >= self._medium).astype(np.intp) + (p >= self._high)
        bands: list[str] = _BANDS.take(places).tolist()
        return bands

    def _unknown(self, rows: Sequence[Row], X: Floats) -> dict[int, tuple[str, ...]]:
        # An unknown category is NaN, so only rows with a NaN are looked at.
        sums = X.sum(axis=1)
        return {
            i: unseen
            for i in np.flatnonzero(np.isnan(sums)).tolist()
            if (unseen := self._encoder.unseen(rows[i]))
        }

    def _reasons(self, rows: Sequence[Row], X: Floats, k: int) -> list[list[dict[str, Any]]]:
        columns, points = self._predictor.reasons_encoded(X, k)
        names = self._names
        return [
            [
                {"column": names[j], "value": plain_value(row[names[j]]), "points": value}
                for j, value in zip(chosen, gained, strict=True)
            ]
            for row, chosen, gained in zip(rows, columns.tolist(), points.tolist(), strict=True)
        ]
