"""Predictions whose outcome is due, joined with what became true.

Matured is what DESIGN section 2 says: ``as_of + lead + horizon + grace + arrival_delay <= now``.
Which class is known first depends on how churn is defined, so a day's predictions are given
together or not at all: once they have matured *and* nearly all of them have an outcome.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from churnkit.data.zones import day_numbers, moment_us
from churnkit.domain.moments import from_us, to_us
from churnkit.domain.outcomes import Settled, settle
from churnkit.errors import EvidenceInvalid
from churnkit.features.windows import LabelWindows, label_windows
from churnkit.ledger.outcomes import any_treatment, outcomes_of, read_holdouts, treatments_of
from churnkit.ledger.scored_rows import ScoredRow, scored_rows
from churnkit.project import Project
from churnkit.rollout.pairs import Pairs, make_pairs
from churnkit.usecases.weighing import Counting, Weighed, weigh

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]
Times = npt.NDArray[np.datetime64]

_DAY = timedelta(days=1)
_EPOCH = date(1970, 1, 1)
_CUSTOMERS = 2_000


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
    settled, windows = joined.settled, joined.windows
    used = [
        i
        for i, told in settled.items()
        if joined.days[i] in whole and told is not None and told.churned is not None
    ]
    chosen = [joined.rows[i] for i in used]
    weighed = _weighed(
        project,
        chosen,
        [from_us(int(windows.closes_us[i])) for i in used],
        counting=counting,
        smallest_propensity=smallest_propensity,
    )
    labels = [settled[i] for i in used]
    return MaturedPairs(
        prediction_id=_texts(row.prediction_id for row in chosen),
        customer_id=_texts(row.customer_id for row in chosen),
        ordinal=joined.ordinal[used],
        as_of=joined.us[used].astype("datetime64[us]"),
        variant=_texts(row.variant for row in chosen),
        model_version=_texts(row.model_version for row in chosen),
        probability=np.array([row.probability for row in chosen], dtype=np.float64),
        shadow_probability=np.array(
            [joined.silent.get(row.prediction_id, np.nan) for row in chosen], dtype=np.float64
        ),
        churned=np.array([bool(told and told.churned) for told in labels], dtype=np.bool_),
        value=np.array(
            [np.nan if told is None or told.value is None else told.value for told in labels],
            dtype=np.float64,
        ),
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


@dataclass(frozen=True)
class LabelSpans:
    """The project's churn definition, as far as it says when outcomes are due."""

    project: Project
    zone: str
    arrival_delay_days: float

    def windows(self, us: Ints) -> LabelWindows:
        """The windows of predictions that look from these moments (microseconds UTC)."""
        return label_windows(
            self.project.settings.churn,
            us,
            zone=self.zone,
            arrival_delay_days=self.arrival_delay_days,
        )

    @property
    def shortest_us(self) -> int:
        """What no prediction needs less than to mature, clock changes allowed for."""
        churn = self.project.settings.churn
        days = churn.lead_days + churn.horizon_days + churn.grace_days + self.arrival_delay_days
        return max(int((days - 2) * 86_400_000_000), 0)

    @property
    def known_last(self) -> bool:
        """Which answer is known only when the window ends: that he left, or that he stayed."""
        settings = self.project.settings
        return settings.events is not None and settings.churn.kind == "non_contractual"

    @property
    def days_to_mature(self) -> float:
        """lead + horizon + grace + arrival delay."""
        churn = self.project.settings.churn
        return churn.lead_days + churn.horizon_days + churn.grace_days + self.arrival_delay_days


def label_spans(project: Project) -> LabelSpans:
    """When outcomes of this project are due, in a snapshot project as in one of events."""
    settings = project.settings
    tables = (settings.events, settings.attributes, settings.subscriptions)
    delays = [table.arrival_delay_days for table in tables if table is not None]
    return LabelSpans(
        project=project,
        zone=settings.project.zone,
        arrival_delay_days=max([settings.outcomes.arrival_delay_days, *delays]),
    )


@dataclass(frozen=True, eq=False)
class _Joined:
    """Predictions by time, with what outcomes say of those that were asked for."""

    rows: list[ScoredRow]
    silent: dict[str, float]
    """What the model that did not answer said, by the prediction that did."""
    us: Ints
    windows: LabelWindows
    days: Ints
    ordinal: Ints
    settled: dict[int, Settled | None]
    """By place; only those in [since, until)."""
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
    spans = label_spans(project)
    latest = from_us(moment_us(now, "UTC") - spans.shortest_us)
    rows: list[ScoredRow] = []
    n_later = 0
    for row in scored_rows(
        project.ledger.engine,
        rollout_id=rollout_id,
        model_version=None if rollout_id is not None else model_version,
        until=until,
    ):
        if row.moment <= latest:
            rows.append(row)
        else:
            n_later += shadows or row.shadow_of is None
    if rollout_id is not None and model_version is not None:
        kept = {row.prediction_id for row in rows if row.model_version == model_version}
        rows = [row for row in rows if row.prediction_id in kept or row.shadow_of in kept]
    silent = {row.shadow_of: row.probability for row in rows if row.shadow_of is not None}
    asked = [row for row in rows if shadows or row.shadow_of is None]
    asked.sort(key=lambda row: (row.moment, row.customer_id, row.prediction_id))
    us = np.array([to_us(row.moment) for row in asked], dtype=np.int64)
    windows = spans.windows(us)
    inside = np.ones(len(asked), dtype=np.bool_)
    if since is not None:
        inside &= us >= to_us(since)
    if until is not None:
        inside &= us < to_us(until)
    places = np.flatnonzero(inside)
    settled = _settled(project, asked, windows, places, now, spans)
    days = day_numbers(us, spans.zone)
    decided = windows.decided_us <= moment_us(now, "UTC")
    return _Joined(
        rows=asked,
        silent=silent,
        us=us,
        windows=windows,
        days=days,
        ordinal=_ordinals(row.customer_id for row in asked),
        settled=settled,
        cohorts=_cohorts(
            days[places],
            decided[places],
            np.array([told is not None for told in settled.values()], dtype=np.bool_),
            share=project.settings.outcomes.complete_share,
        ),
        n_later=n_later,
    )


def _settled(
    project: Project,
    rows: Sequence[ScoredRow],
    windows: LabelWindows,
    asked: npt.NDArray[np.intp],
    now: datetime,
    spans: LabelSpans,
) -> dict[int, Settled | None]:
    """What the ledger's outcomes say of each prediction."""
    mine: dict[str, list[int]] = defaultdict(list)
    for i in asked.tolist():
        mine[rows[i].customer_id].append(i)
    customers = sorted(mine)
    found: dict[int, Settled | None] = dict.fromkeys(asked.tolist())
    engine, match_days = project.ledger.engine, project.settings.outcomes.match_days
    for start in range(0, len(customers), _CUSTOMERS):
        chunk = customers[start : start + _CUSTOMERS]
        known = outcomes_of(engine, chunk)
        for customer in chunk:
            told = known.get(customer, [])
            for i in mine[customer]:
                if told:
                    found[i] = settle(
                        told,
                        as_of=rows[i].moment,
                        opens=from_us(int(windows.opens_us[i])),
                        closes=from_us(int(windows.closes_us[i])),
                        now=now,
                        zone=spans.zone,
                        match_days=match_days,
                    )
    return found


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


def _weighed(
    project: Project,
    rows: Sequence[ScoredRow],
    ends: Sequence[datetime],
    *,
    counting: Counting,
    smallest_propensity: float,
) -> Weighed:
    engine = project.ledger.engine
    customers = [row.customer_id for row in rows]
    treated = treatments_of(engine, sorted(set(customers))) if any_treatment(engine) else {}
    weighed = weigh(
        customers,
        [row.moment for row in rows],
        ends,
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


def _ordinals(customers: Iterable[str]) -> Ints:
    seen: dict[str, int] = defaultdict(int)
    ordinal: list[int] = []
    for customer in customers:
        seen[customer] += 1
        ordinal.append(seen[customer])
    return np.array(ordinal, dtype=np.int64)


def _texts(values: Iterable[str]) -> Texts:
    listed = list(values)
    array = np.empty(len(listed), dtype=np.object_)
    array[:] = listed
    return array
