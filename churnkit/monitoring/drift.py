"""Drift of every feature and of the score, looked at as often as one likes.

P(any false alarm, ever, by any feature or statistic) <= α when the customers of the stream, one
row each, and those of the reference are exchangeable: docs/statistics.md. The state is small and
stays small, is plain JSON, and takes the counters of any number of replicas.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from churnkit.errors import BaselineChanged
from churnkit.monitoring.baseline import Baseline, FeatureBaseline
from churnkit.monitoring.counting import Counts, no_counts
from churnkit.monitoring.drift_report import DriftReport, FeatureDrift, Moved
from churnkit.monitoring.drift_state import Alarm, DriftState, Grid, Start
from churnkit.monitoring.effects import (
    distances,
    jensen_shannon,
    kolmogorov_smirnov,
    population_stability_index,
)
from churnkit.monitoring.urn import Bets, dealing, slots_of_cells

Floats = npt.NDArray[np.float64]
MOST_STARTS = 10
_FIRST = 0.5
"""Share of the wealth that bets on drift from the first row; the rest waits for later starts."""


class DriftTest:
    """The test against one baseline; it holds no state of the stream.

    Parameters
    ----------
    baseline : what customers looked like
    alpha : P(false alarm, ever), in (0, 1)
    seed : deals rows of a bin to cells, see ``churnkit.monitoring.urn``; keep it for a stream
    stride : rows between two starts of a bet on drift
    """

    def __init__(
        self, baseline: Baseline, *, seed: int, alpha: float = 0.05, stride: int = 1_000
    ) -> None:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha must lie in (0, 1), not {alpha}")
        self.baseline = baseline
        self.alpha = alpha
        self._seed = seed
        self._stride = stride
        features = baseline.features
        slots = [slots_of_cells(np.array(f.planned), sum(f.counts)) for f in features]
        self._bets = Bets(slots, [f.kind == "number" for f in features])
        rng = np.random.default_rng([seed, 0])
        n_cells = self._bets.slots.shape[1]
        self._dealing = np.zeros((len(features), n_cells, n_cells))
        self._dealing[:, :, 0] = 1.0  # bins that only pad hold no rows
        for i, feature in enumerate(features):
            k = len(feature.counts)
            self._dealing[i, :k] = 0.0
            self._dealing[i, :k, :k] = dealing(np.array(feature.counts), slots[i], rng)

    def begin(self, at: datetime | None = None) -> DriftState:
        """The state before the first row.

        Parameters
        ----------
        at : the time, which is only repeated in ``since``
        """
        n_features, n_cells = self._bets.slots.shape
        cells = ((0,) * n_cells,) * n_features
        first = Start(
            row=0,
            at=at,
            cells=cells,
            counts=no_counts(self.baseline),
            log_weight=(float(np.log(_FIRST)),) * n_features,
        )
        return DriftState(
            baseline=self._fingerprint(),
            looks=0,
            n_starts=1,
            cells=cells,
            counts=first.counts,
            starts=(first,),
            feature_alarms=(None,) * n_features,
            log_peak=(0.0,) * n_features,
        )

    def look(self, state: DriftState, new: Counts, *, at: datetime | None = None) -> DriftState:
        """The state after more rows, and after a look at them.

        When to look may depend on everything but the rows that are not yet in ``state``.

        Parameters
        ----------
        new : customers since the last look, of all replicas together
        at : the time of the look

        Raises
        ------
        BaselineChanged : the state belongs to another baseline, or to another seed
        """
        self._check(state)
        rng = np.random.default_rng([self._seed, 1, state.looks])
        dealt = rng.multinomial(self._padded(new.bins), self._dealing).sum(axis=1)
        cells = np.array(state.cells) + dealt
        counts = state.counts + new
        wealth = self._log_wealth(state.starts, cells)
        log_e = logsumexp(wealth, axis=0)
        # What is not yet bet is still there, and counts.
        log_e = np.logaddexp(log_e, _log_idle(state.n_starts))
        mark = Alarm(look=state.looks + 1, row=counts.n_rows, at=at)
        named = _closed_test(log_e, self.alpha)
        passed = bool(logsumexp(log_e) - np.log(len(log_e)) >= -np.log(self.alpha))
        after = state.model_copy(
            update={
                "looks": state.looks + 1,
                "cells": _grid(cells),
                "counts": counts,
                "alarm": state.alarm or (mark if passed else None),
                "feature_alarms": tuple(
                    before or (mark if now else None)
                    for before, now in zip(state.feature_alarms, named, strict=True)
                ),
                "log_peak": tuple(np.maximum(state.log_peak, log_e).tolist()),
            }
        )
        if counts.n_rows - state.starts[-1].row < self._stride:
            return after
        return self._started(after, cells, wealth, at)

    def report(self, state: DriftState) -> DriftReport:
        """What the state says.

        Raises
        ------
        BaselineChanged : the state belongs to another baseline, or to another seed
        """
        self._check(state)
        wealth = self._log_wealth(state.starts, np.array(state.cells))
        log_e = np.logaddexp(logsumexp(wealth, axis=0), _log_idle(state.n_starts))
        features = self.baseline.features
        references = [np.array(f.counts, dtype=np.float64) for f in features]
        currents = [np.array(part, dtype=np.float64) for part in state.counts.bins]
        ordered = [f.kind == "number" for f in features]
        overall = distances(references, currents, ordered, error=self.alpha)
        told: list[FeatureDrift] = []
        # A start that nobody came after says nothing yet.
        begun = [k for k, one in enumerate(state.starts) if one.row < state.counts.n_rows] or [0]
        for i, feature in enumerate(features):
            start = state.starts[begun[int(np.argmax(wealth[begun, i]))]]
            reference, recent = references[i], currents[i] - np.array(start.counts.bins[i])
            told.append(
                FeatureDrift(
                    name=feature.name,
                    log_e=float(log_e[i]),
                    p_value=float(np.exp(-max(state.log_peak[i], 0.0))),
                    alarm=state.feature_alarms[i],
                    since_row=start.row,
                    since=start.at,
                    overall=overall[i],
                    recent_psi=population_stability_index(reference, recent),
                    recent_ks=kolmogorov_smirnov(reference, recent) if ordered[i] else None,
                    recent_js=jensen_shannon(reference, recent),
                    moved=_moved(feature, reference, recent),
                )
            )
        return DriftReport(
            alpha=self.alpha,
            exact=self.baseline.exact,
            n_rows=state.counts.n_rows,
            looks=state.looks,
            log_e=float(logsumexp(log_e) - np.log(len(log_e))),
            alarm=state.alarm,
            features=tuple(told),
        )

    def _started(
        self, state: DriftState, cells: npt.NDArray[np.int64], wealth: Floats, at: datetime | None
    ) -> DriftState:
        """One more bet begins; when there are too many, one hands its wealth to the next."""
        starts = list(state.starts)
        if len(starts) == MOST_STARTS:
            age = state.counts.n_rows - np.array([start.row for start in starts])
            # The one whose neighbours are closest in relative age; the first stays.
            gone = 1 + int(np.argmin(age[:-2] / age[2:]))
            heir = starts[gone + 1]
            # The heir's E now is its wealth over its weight, and the ratio stays from here on.
            log_weight = np.array(heir.log_weight)
            earned = wealth[gone + 1] - log_weight
            grown = np.logaddexp(log_weight, wealth[gone] - earned)
            starts[gone + 1] = heir.model_copy(update={"log_weight": tuple(grown.tolist())})
            del starts[gone]
        k = state.n_starts
        weight = float(np.log((1 - _FIRST) / (k * (k + 1))))
        starts.append(
            Start(
                row=state.counts.n_rows,
                at=at,
                cells=state.cells,
                counts=state.counts,
                log_weight=(weight,) * len(cells),
            )
        )
        return state.model_copy(update={"n_starts": k + 1, "starts": tuple(starts)})

    def _log_wealth(self, starts: tuple[Start, ...], cells: npt.NDArray[np.int64]) -> Floats:
        """Of each start and feature, shape (n_starts, n_features)."""
        rows = []
        for start in starts:
            before = np.array(start.cells, dtype=np.float64)
            rows.append(
                np.array(start.log_weight) + self._bets.log_evidence(before, cells - before)
            )
        return np.array(rows)

    def _padded(self, bins: Grid) -> npt.NDArray[np.int64]:
        padded = np.zeros(self._bets.slots.shape, dtype=np.int64)
        for i, (part, feature) in enumerate(zip(bins, self.baseline.features, strict=True)):
            if len(part) != len(feature.counts):
                raise ValueError(f"{feature.name} has {len(feature.counts)} bins, not {len(part)}")
            padded[i, : len(part)] = part
        return padded

    def _fingerprint(self) -> str:
        return f"{self.baseline.fingerprint()}:{self._seed}"

    def _check(self, state: DriftState) -> None:
        if state.baseline != self._fingerprint():
            raise BaselineChanged(
                "the counts of this stream belong to another reference distribution.",
                fix="Begin a new stream when the model version changes.",
            )


def _moved(feature: FeatureBaseline, reference: Floats, recent: Floats) -> Moved:
    before, now = (counts / max(float(counts.sum()), 1.0) for counts in (reference, recent))
    most = int(np.argmax(np.abs(now - before)))
    return Moved(bin=feature.bins[most], before=float(before[most]), now=float(now[most]))


def _log_idle(n_starts: int) -> float:
    """The logarithm of the wealth that later starts will get: it telescopes."""
    return float(np.log((1 - _FIRST) / n_starts))


def _closed_test(log_e: Floats, alpha: float) -> npt.NDArray[np.bool_]:
    """The features that every set of features which holds them rejects, by its mean E.

    For feature i the hardest sets are i with the m smallest others.
    """
    e = np.exp(np.minimum(log_e, 600.0))
    order = np.sort(e)
    smallest = np.cumsum(order)
    size = np.arange(1, len(e) + 1)
    named = np.zeros(len(e), dtype=np.bool_)
    for i, own in enumerate(e):
        rank = int(np.searchsorted(order, own))
        # Sums of the m smallest others: its own place among them is skipped.
        without = np.concatenate([[0.0], smallest[:rank], smallest[rank + 1 :] - own])
        named[i] = bool(((own + without) / size >= 1 / alpha).all())
    return named


def _grid(cells: npt.NDArray[np.int64]) -> Grid:
    return tuple(tuple(row) for row in cells.tolist())
