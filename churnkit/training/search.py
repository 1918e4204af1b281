"""The search for a model within a budget.

Each trial is one candidate with one choice of parameters, scored by the cross-validated log
loss of its *calibrated* probabilities, since these are what users see. The candidates take
turns: first each with its defaults, then with random draws, more of them for what is fast; from
the second turn on only those whose best is not hopeless, from the third on those near the
leader's. Of a boosted model each trial shows all numbers of rounds up to its own, and keeps the
best one. The lowest log loss wins, and among equals the first; in a panel a simpler kind wins
over a lead that may be chance.

The order of trials follows from the data and the seed alone; the budget only says how many of
them are made, so any run's trials are a beginning of those of a longer one.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from churnkit.domain.columns import ModelSchema
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.domain.runs import Trial
from churnkit.errors import BudgetTooSmall
from churnkit.training.calibrate import (
    cross_calibrated,
    response,
    row_log_losses,
    score_margins,
    staged_responses,
)
from churnkit.training.candidate import Candidate
from churnkit.training.choosing import SIMPLE, better_by_chance

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Folds = Sequence[tuple[Ints, Ints]]

NEAR_LEADER = 1.03
"""A candidate stays in the race while its best log loss is at most this times the leader's."""
HOPELESS = 1.2
"""The same after the defaults alone, which may be a bad choice for these customers."""
ROUNDS_STEP = 25
"""Boosted models are compared after every so many rounds."""
PATIENCE = 40
"""The search ends after this many trials without a better one."""


class _OutOfTime(Exception):
    """The budget ended in the middle of a trial."""


@dataclass(frozen=True)
class Training:
    """Encoded training rows and how they are cross-validated.

    ``X`` has shape (n_train, n_inputs), ``y`` is 0 or 1, ``folds`` are pairs of positions to fit
    on and to check on. ``customers``, shape (n_train,), is given of a panel only: it says whose
    row it is, and that the simpler of two models wins when the other's lead may be chance.
    """

    X: Floats
    y: Ints
    folds: Folds
    schema: ModelSchema
    seed: int
    customers: Ints | None = None


@dataclass(frozen=True)
class Margins:
    """Out-of-fold margins: ``values`` and ``fold`` for the rows ``rows``, all (n_covered,)."""

    rows: Ints
    fold: Ints
    values: Floats


@dataclass(frozen=True)
class Searched:
    """All trials in order, which one won (and why, if not by its loss alone), its out-of-fold
    margins and calibration.
    """

    trials: tuple[Trial, ...]
    chosen: int
    margins: Margins
    calibration: str
    why: str = ""


@dataclass(frozen=True)
class _Best:
    """The best trial so far, or the best of one kind."""

    place: int
    log_loss: float
    margins: Margins
    calibration: str


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let numeric libraries use one thread, so that sums have one order and repeat bit for bit."""
    with threadpool_limits(limits=1):
        yield


def fit_tail(candidate: Candidate, params: Mapping[str, Any], data: Training, rows: Ints) -> Any:
    """Fit the steps after ``encode`` on these training rows."""
    model = candidate.build(params, data.schema, data.seed)
    return model.fit(data.X[rows], data.y[rows])


def cross_margins(
    candidate: Candidate,
    params: Mapping[str, Any],
    data: Training,
    *,
    cancel: Cancel | None = None,
) -> Margins:
    """Fit every fold (in parallel threads) and collect the margins of its unseen rows.

    Raises
    ------
    Cancelled : asked to stop; a fit that runs is waited for
    """
    found = _each_fold(candidate, params, data, response, cancel, lambda: True)
    return _collected(data, found)


def _try(
    candidate: Candidate,
    params: dict[str, Any],
    data: Training,
    cancel: Cancel | None,
    in_time: Callable[[], bool],
) -> tuple[dict[str, Any], Margins]:
    """The same, with the best number of rounds where the candidate has such a parameter.

    It is the one with the lowest log loss of the margins as they are; the margins at it are
    those of a model fitted with so many rounds, to the last bit.
    """
    if not candidate.rounds:
        found = _each_fold(candidate, params, data, response, cancel, in_time)
        return params, _collected(data, found)
    most = int(params[candidate.rounds])
    points = sorted({*range(ROUNDS_STEP, most, ROUNDS_STEP), most})

    def staged(model: Any, X: Floats) -> Floats:
        return staged_responses(model, X, points)

    found = _each_fold(candidate, params, data, staged, cancel, in_time)
    by_rounds = np.concatenate(found)
    y = data.y[np.concatenate([check for _, check in data.folds])][:, None]
    losses = np.mean(np.logaddexp(0.0, by_rounds) - y * by_rounds, axis=0)
    best = int(np.argmin(losses))
    return (
        {**params, candidate.rounds: points[best]},
        _collected(data, [part[:, best] for part in found]),
    )


def _each_fold(
    candidate: Candidate,
    params: Mapping[str, Any],
    data: Training,
    respond: Callable[[Any, Floats], Floats],
    cancel: Cancel | None,
    in_time: Callable[[], bool],
) -> list[Floats]:
    def one(fold: tuple[Ints, Ints]) -> Floats:
        if cancel is not None:
            cancel.check()
        if not in_time():
            raise _OutOfTime
        fit_rows, check_rows = fold
        return respond(fit_tail(candidate, params, data, fit_rows), data.X[check_rows])

    n_threads = min(len(data.folds), os.cpu_count() or 1)
    with one_thread_each(), ThreadPoolExecutor(n_threads, initializer=_one_thread_here) as pool:
        return list(pool.map(one, data.folds))


def _collected(data: Training, values: Sequence[Floats]) -> Margins:
    return Margins(
        rows=np.concatenate([check for _, check in data.folds]),
        fold=np.repeat(np.arange(len(data.folds)), [len(check) for _, check in data.folds]),
        values=np.concatenate(values),
    )


def _one_thread_here() -> None:
    # OpenMP keeps its limit per thread: the caller's does not reach the threads of a pool.
    threadpool_limits(limits=1, user_api="openmp")


@dataclass
class _Race:
    """Whose turn it is, with which parameters."""

    candidates: Sequence[Candidate]
    seed: int
    best: dict[str, float] = field(default_factory=dict)

    def proposals(self) -> Iterator[tuple[Candidate, dict[str, Any]]]:
        """Trials in order; ends when no candidate has anything new to try."""
        tried: set[tuple[str, str]] = set()
        for turn in range(10_000):
            fresh = False
            for candidate in self._running(turn):
                for draw in range(candidate.draws if turn else 1):
                    params = self._draw(candidate, turn, draw, tried)
                    if params is not None:
                        fresh = True
                        yield candidate, params
            if not fresh:
                return

    def _running(self, turn: int) -> list[Candidate]:
        if turn == 0:
            return list(self.candidates)
        limit = min(self.best.values()) * (HOPELESS if turn == 1 else NEAR_LEADER)
        return [one for one in self.candidates if self.best[one.name] <= limit]

    def _draw(
        self, candidate: Candidate, turn: int, draw: int, tried: set[tuple[str, str]]
    ) -> dict[str, Any] | None:
        rng = np.random.default_rng([self.seed, turn, zlib.crc32(candidate.name.encode()), draw])
        for attempt in range(50):
            first = turn == attempt == 0
            params = dict(candidate.defaults) if first else candidate.suggest(rng)
            key = (candidate.name, repr(sorted(params.items())))
            if key not in tried:
                tried.add(key)
                return params
        return None


def search(
    data: Training,
    candidates: Sequence[Candidate],
    *,
    budget_seconds: float | None,
    max_trials: int | None = None,
    calibration: str | None = None,
    patience: int = PATIENCE,
    progress: Progress = silent,
    cancel: Cancel | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Searched:
    """Try candidates until the budget is used, nothing new is left, or nothing gets better.

    Parameters
    ----------
    budget_seconds : wall time; a fit that has begun is ended, its trial does not count. None:
        only ``max_trials`` limits
    calibration : the one to score with; None: the better one of each trial
    clock : seconds that only rise

    Raises
    ------
    BudgetTooSmall : not even one trial fitted into the budget
    Cancelled : asked to stop
    """
    started = clock()
    end = float("inf") if budget_seconds is None else started + budget_seconds

    trials: list[Trial] = []
    best: _Best | None = None
    simplest: _Best | None = None
    race = _Race(candidates, data.seed)
    progress(Step("searching models", 0.0, f"{len(data.y):,} customers"))
    for candidate, params in race.proposals():
        if cancel is not None:
            cancel.check()
        since = clock()
        if since >= end or (max_trials is not None and len(trials) >= max_trials):
            break
        try:
            params, margins = _try(candidate, params, data, cancel, lambda: clock() < end)
        except _OutOfTime:
            break
        y = data.y[margins.rows]
        losses = score_margins(margins.values, y, margins.fold, only=calibration)
        method = min(losses, key=lambda name: losses[name])
        trial = Trial(
            candidate=candidate.name,
            params=params,
            log_loss=losses[method],
            roc_auc=_mean_auc(margins, y),
            seconds=clock() - since,
        )
        trials.append(trial)
        race.best[candidate.name] = min(race.best.get(candidate.name, float("inf")), trial.log_loss)
        this = _Best(len(trials) - 1, trial.log_loss, margins, method)
        if best is None or this.log_loss < best.log_loss:
            best = this
        if candidate.kind == SIMPLE and (simplest is None or this.log_loss < simplest.log_loss):
            simplest = this
        progress(_news(trials, best.place, candidates, _done(clock() - started, budget_seconds)))
        if this.place - best.place >= patience:
            break
    if best is None:
        raise BudgetTooSmall(
            f"no candidate model could be tried on {len(data.y):,} customers "
            f"within {budget_seconds:g} seconds.",
            fix="Give more time, for example with --budget 120s.",
        )
    why = ""
    if simplest is not None and simplest is not best and _lead_is_chance(data, best, simplest):
        best, why = simplest, "the lead of others is within one standard error"
    return Searched(tuple(trials), best.place, best.margins, best.calibration, why)


def _lead_is_chance(data: Training, best: _Best, simple: _Best) -> bool:
    """Whether the simpler model is to win: in a panel, over a lead that may be chance."""
    if data.customers is None:
        return False
    losses = []
    for one in (best, simple):
        # All trials have the same folds, so the same rows in the same order.
        y = data.y[one.margins.rows]
        p = cross_calibrated(one.calibration, one.margins.values, y, one.margins.fold)
        losses.append(row_log_losses(y, p))
    return better_by_chance(losses[0], losses[1], data.customers[best.margins.rows])


def _mean_auc(margins: Margins, y: Ints) -> float:
    """ROC AUC, mean over the folds that have both classes; margins of folds do not compare."""
    values = []
    for k in np.unique(margins.fold):
        here = margins.fold == k
        if 0 < y[here].sum() < here.sum():
            values.append(float(roc_auc_score(y[here], margins.values[here])))
    return float(np.mean(values)) if values else 0.5


def _done(elapsed: float, budget_seconds: float | None) -> float | None:
    return None if budget_seconds is None else min(1.0, elapsed / budget_seconds)


def _news(
    trials: Sequence[Trial], chosen: int, candidates: Sequence[Candidate], done: float | None
) -> Step:
    best = trials[chosen]
    title = next(one.title for one in candidates if one.name == best.candidate)
    return Step(
        "searching models",
        done,
        f"{len(trials)} tried; best: {title}, AUC {best.roc_auc:.3f}, log loss {best.log_loss:.4f}",
        {
            "candidate": trials[-1].candidate,
            "roc_auc": trials[-1].roc_auc,
            "log_loss": trials[-1].log_loss,
            "seconds": trials[-1].seconds,
        },
    )
