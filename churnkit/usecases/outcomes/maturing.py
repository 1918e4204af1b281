"""Predictions whose outcome is due, joined with what became true.

Matured is what DESIGN section 2 says: ``as_of + lead + horizon + grace + arrival_delay <= now``.
Which class is known first depends on how churn is defined, so a day's predictions are given
together or not at all: once they have matured *and* nearly all of them have an outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import overload

import numpy as np
import numpy.typing as npt

from churnkit.data.zones import day_numbers, moment_us
from churnkit.domain.moments import from_us
from churnkit.errors import EvidenceInvalid
from churnkit.features.windows import LabelWindows
from churnkit.ledger.outcomes import any_treatment, read_holdouts, treatments_of
from churnkit.ledger.scored_columns import (
    ScoredColumns,
    Wanted,
    count_predictions,
    earlier_predictions,
    scored_columns,
)
from churnkit.project import Project
from churnkit.rollout.pairs import Pairs, make_pairs
from churnkit.usecases.outcomes.label_spans import label_spans
from churnkit.usecases.outcomes.settling import SettledColumns, settle_all
from churnkit.usecases.outcomes.weighing import Counting, Weighed, weigh

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]
Times = npt.NDArray[np.datetime64]

_DAY = timedelta(days=1)
_EPOCH = date(1970, 1, 1)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Cohort:
    """The predictions that look from one day of the project's zone.

    ``whole``: matured, and enough of them have an outcome (``outcomes.complete_share``).
    """

    day: date
    n: int
    n_settled: int
    """How many have an outcome, or are known to have none."""
    matured: bool
    whole: bool


@dataclass(frozen=True, eq=False)
class MaturedPairs:
    """Predictions with what became true, by time of prediction; columns of shape (n,).

    ``shadow_probability`` is what the other model said of the same request, NaN where it said
    nothing; ``variant`` says whose ``probability`` is. ``weight`` NaN: not evidence.
    """

    prediction_id: Texts
    customer_id: Texts
    ordinal: Ints
    """Which prediction of its customer, from 1: of the rollout, or of all that were asked for."""
    as_of: Times
    """UTC, in microseconds."""
    variant: Texts
    model_version: Texts
    probability: Floats
    shadow_probability: Floats
    churned: Bools
    value: Floats
    """What the customer is worth; NaN: not told."""
    weight: Floats
    treated: Bools
    """Between the prediction and the end of its window."""
    held_out: Bools
    matured_at: Times
    counting: str
    """Whose outcomes count: ``everyone``, ``holdout`` or ``propensity``."""
    cohorts: tuple[Cohort, ...]
    """All days that there are predictions of, also those that wait."""

    def __len__(self) -> int:
        return len(self.probability)

    def pairs(self) -> Pairs:
        """What both models of a rollout said, as the evidence reads it.

        Predictions that the other model did not score are no pairs.

        Raises
        ------
        EvidenceInvalid : a value is out of its range
        """
        both = ~np.isnan(self.shadow_probability)
        answered = np.array([name == "challenger" for name in self.variant], dtype=np.bool_)
        first = np.where(answered, self.shadow_probability, self.probability)
        second = np.where(answered, self.probability, self.shadow_probability)
        return make_pairs(
            customer_id=self.customer_id[both].astype(np.str_),
            predicted_at=self.as_of[both],
            champion=first[both],
            challenger=second[both],
            left=self.churned[both],
            weight=self.weight[both],
            ordinal=self.ordinal[both],
            customer_value=self.value[both],
        )


def matured_pairs(
    project: Project,
    *,
    now: datetime,
    rollout_id: str | None = None,
    model_version: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    shadows: bool = False,
    in_order: bool | None = None,
    counting: Counting = "auto",
    smallest_propensity: float = 0.1,
) -> MaturedPairs:
    """Whole matured cohorts, with what was predicted and what became true.

    Parameters
    ----------
    now : nothing that became known later counts
    rollout_id : only predictions of this rollout
    model_version : only predictions of this version
    since, until : only predictions that look from [since, until); ordinals count all the same
    shadows : give predictions that answered nobody as rows of their own, too
    in_order : stop at the first day that is not whole, as evidence that may never go back has to;
        None: with a rollout
    counting, smallest_propensity : see ``weighing.weigh``
    """
    joined = _join(
        project,
        now=now,
        rollout_id=rollout_id,
        model_version=model_version,
        since=since,
        until=until,
        shadows=shadows,
    )
    stop = in_order if in_order is not None else rollout_id is not None
    whole = _given(joined.cohorts, stop=stop)
    rows, windows, labels = joined.rows, joined.windows, joined.settled
    used = np.flatnonzero(
        labels.settled
        & (labels.label >= 0)
        & np.isin(joined.days, np.fromiter(whole, np.int64, len(whole)))
    )
    places = used.tolist()
    customers = [rows.customer_id[i] for i in places]
    weighed = _weighed(
        project,
        customers,
        rows.us[used],
        windows.closes_us[used],
        counting=counting,
        smallest_propensity=smallest_propensity,
    )
    return MaturedPairs(
        prediction_id=_texts(rows.prediction_id[i] for i in places),
        customer_id=_texts(customers),
        ordinal=joined.ordinal[used],
        as_of=rows.us[used].astype("datetime64[us]"),
        variant=_texts(rows.variant[i] for i in places),
        model_version=_texts(rows.model_version[i] for i in places),
        probability=rows.probability[used],
        shadow_probability=rows.shadow_probability[used],
        churned=labels.label[used] == 1,
        value=labels.value[used],
        weight=weighed.weight,
        treated=weighed.treated,
        held_out=weighed.held_out,
        matured_at=windows.decided_us[used].astype("datetime64[us]"),
        counting=weighed.counting,
        cohorts=joined.cohorts,
    )


def cohorts_of(project: Project, *, now: datetime) -> tuple[tuple[Cohort, ...], int]:
    """All days that customers were answered on, and how many predictions have not matured."""
    joined = _join(project, now=now)
    n_waiting = sum(one.n for one in joined.cohorts if not one.matured) + joined.n_later
    return joined.cohorts, n_waiting


@dataclass(frozen=True, eq=False)
class _Joined:
    """Predictions by time, with what outcomes say of them; columns of shape (n,)."""

    rows: ScoredColumns
    windows: LabelWindows
    days: Ints
    ordinal: Ints
    settled: SettledColumns
    cohorts: tuple[Cohort, ...]
    n_later: int
    """Predictions that are surely not matured, and were not looked at."""


def _join(
    project: Project,
    *,
    now: datetime,
    rollout_id: str | None = None,
    model_version: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    shadows: bool = False,
) -> _Joined:
    spans, engine = label_spans(project), project.ledger.engine
    latest = from_us(moment_us(now, "UTC") - spans.shortest_us)
    if until is not None:
        latest = min(latest, until - _INSTANT)
    wanted = Wanted(rollout_id, model_version, since, latest, shadows)
    rows = _in_order(scored_columns(engine, wanted))
    windows = spans.windows(rows.us)
    settled = settle_all(
        engine,
        wanted,
        rows.customer_id,
        rows.us,
        windows,
        now=now,
        zone=spans.zone,
        match_days=project.settings.outcomes.match_days,
    )
    days = day_numbers(rows.us, spans.zone)
    return _Joined(
        rows=rows,
        windows=windows,
        days=days,
        ordinal=_ordinals(rows.customer_id, earlier_predictions(engine, wanted)),
        settled=settled,
        cohorts=_cohorts(
            days,
            windows.decided_us <= moment_us(now, "UTC"),
            settled.settled,
            share=project.settings.outcomes.complete_share,
        ),
        n_later=count_predictions(engine, replace(wanted, since=latest + _INSTANT, until=until)),
    )


def _in_order(rows: ScoredColumns) -> ScoredColumns:
    """By the moment they look from; equal ones by customer and id, so that there is one order."""
    us, ids = rows.us.tolist(), rows.prediction_id
    names = rows.customer_id
    order = sorted(range(len(rows)), key=lambda i: (us[i], names[i], ids[i]))
    return ScoredColumns(
        prediction_id=[ids[i] for i in order],
        customer_id=[names[i] for i in order],
        us=rows.us[order],
        model_version=[rows.model_version[i] for i in order],
        variant=[rows.variant[i] for i in order],
        probability=rows.probability[order],
        shadow_probability=rows.shadow_probability[order],
    )


def _cohorts(days: Ints, decided: Bools, settled: Bools, *, share: float) -> tuple[Cohort, ...]:
    cohorts: list[Cohort] = []
    if not len(days):
        return ()
    starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
    for start, end in pairwise([*starts.tolist(), len(days)]):
        part = slice(start, end)
        n, n_settled = end - start, int(settled[part].sum())
        matured = bool(decided[part].all())
        cohorts.append(
            Cohort(
                day=_EPOCH + int(days[start]) * _DAY,
                n=n,
                n_settled=n_settled,
                matured=matured,
                whole=matured and n_settled >= share * n,
            )
        )
    return tuple(cohorts)


def _given(cohorts: Sequence[Cohort], *, stop: bool) -> set[int]:
    days: set[int] = set()
    for cohort in cohorts:
        if cohort.whole:
            days.add((cohort.day - _EPOCH).days)
        elif stop:
            break
    return days


class _Moments(Sequence[datetime]):
    """Microseconds as moments; made only where one is asked for."""

    def __init__(self, us: Ints) -> None:
        self._us = us

    def __len__(self) -> int:
        return len(self._us)

    @overload
    def __getitem__(self, place: int) -> datetime: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[datetime]: ...
    def __getitem__(self, place: int | slice) -> datetime | Sequence[datetime]:
        if isinstance(place, slice):
            return _Moments(self._us[place])
        return from_us(int(self._us[place]))


def _weighed(
    project: Project,
    customers: Sequence[str],
    us: Ints,
    ends_us: Ints,
    *,
    counting: Counting,
    smallest_propensity: float,
) -> Weighed:
    engine = project.ledger.engine
    treated = treatments_of(engine, sorted(set(customers))) if any_treatment(engine) else {}
    weighed = weigh(
        customers,
        _Moments(us),
        _Moments(ends_us),
        treatments=treated,
        holdouts=read_holdouts(engine),
        counting=counting,
        smallest_propensity=smallest_propensity,
    )
    if counting == "everyone" and weighed.treated.any():
        raise EvidenceInvalid(
            f"{int(weighed.treated.sum()):,} of these customers were treated, so not everyone's"
            " outcome says what would have become of him untreated.",
            fix="Count the hold-out, or weigh by logged propensities.",
        )
    return weighed


def _ordinals(customers: Iterable[str], earlier: Mapping[str, int]) -> Ints:
    seen = dict(earlier)
    ordinal: list[int] = []
    for customer in customers:
        n = seen.get(customer, 0) + 1
        seen[customer] = n
        ordinal.append(n)
    return np.array(ordinal, dtype=np.int64)


def _texts(values: Iterable[str]) -> Texts:
    listed = list(values)
    array = np.empty(len(listed), dtype=np.object_)
    array[:] = listed
    return array
