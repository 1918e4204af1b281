"""An experiment's customers with what became of them: whole matured days of entry, in order.

A day of entry is taken in at the first moment at which it has matured, nearly all of its outcomes
are known, and so have all days before it. What was known at that moment is what counts of it for
ever: what comes later, or corrects it, changes nothing. So a look sees the beginning of what every
later look sees, whenever the looks are, as bounds that hold at all looks together need it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from churnkit.data.zones import day_numbers, midnight_us, moment_us
from churnkit.domain.experiments import ExperimentEntry, ExperimentRow
from churnkit.domain.moments import day_number, from_us, to_us
from churnkit.domain.outcomes import Outcome, Settled, settle
from churnkit.features.windows import LabelWindows
from churnkit.ledger.experiments import outcomes_known_until, read_entries
from churnkit.ledger.outcomes import outcomes_of
from churnkit.project import Project
from churnkit.rollout.logrank import NEVER
from churnkit.usecases.outcomes.label_spans import LabelSpans, label_spans

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_CUSTOMERS = 2_000
_EPOCH = date(1970, 1, 1)
_DAY_US = 86_400_000_000


@dataclass(frozen=True, eq=False)
class Followed:
    """All who entered, in the order of entry; columns of shape (n,)."""

    arm: npt.NDArray[np.str_]
    given: npt.NDArray[np.str_]
    score: Floats
    """NaN: none."""
    day: Ints
    """Of entry, counted from 1970-01-01 in the project's zone."""
    due: Bools
    """Entered on a day that counts: matured as a whole, as all days before it."""
    counted: Bools
    """Due, with an outcome."""
    missing: Bools
    """Due; no outcome was known when the day was taken in."""
    stayed: Bools
    value: Floats
    """What he is worth; NaN: not told."""
    followed_from: Ints
    """The day from which he may leave."""
    followed_until: Ints
    """The last day of his window."""
    left: Ints
    """The day he left, as far as it is known; ``NEVER``: he has not."""
    undated: int
    """Who left in their window on a day that nobody told: they count as leaving at its end."""
    known_until: int | None
    """The last day of which all leavings are known; None: not known of any."""
    last_day: date | None
    """The last day of entry that counts."""
    waiting_for: str

    def __len__(self) -> int:
        return len(self.arm)


def follow(project: Project, row: ExperimentRow, *, now: datetime) -> Followed:
    """Join the customers of an experiment with their outcomes."""
    entries = read_entries(project.ledger.engine, row.experiment_id)
    spans = label_spans(project)
    entered_us = np.array([to_us(one.entered_at) for one in entries], dtype=np.int64)
    moment = np.array([to_us(one.moment) for one in entries], dtype=np.int64)
    windows = spans.windows(moment)
    day = day_numbers(entered_us, spans.zone)
    now_us = moment_us(now, "UTC")
    known = _outcomes(project, entries, spans, windows, now)
    taken, last, waiting_for = _taken(
        day, windows.decided_us, known.first_us, spans.zone, now_us,
        share=project.settings.outcomes.complete_share,
    )  # fmt: skip
    due = taken != NEVER
    settled = known.as_of(taken)
    left_us = known.left_us
    labelled = np.array(
        [told is not None and told.churned is not None for told in settled], dtype=np.bool_
    )
    churned = np.array([bool(told and told.churned) for told in settled], dtype=np.bool_)
    until = day_numbers(windows.closes_us, spans.zone)
    since = day_numbers(moment, spans.zone)
    dated = left_us != NEVER
    left = np.full(len(entries), NEVER, dtype=np.int64)
    left[dated] = day_numbers(left_us[dated], spans.zone)
    undated = due & churned & ~dated
    left[undated] = until[undated]
    return Followed(
        arm=np.array([one.arm for one in entries], dtype=np.str_),
        given=np.array([one.given for one in entries], dtype=np.str_),
        score=np.array(
            [np.nan if one.score is None else one.score for one in entries], dtype=np.float64
        ),
        day=day,
        due=due,
        counted=due & labelled,
        missing=due & (known.first_us > taken),
        stayed=labelled & ~churned,
        value=np.array(
            [np.nan if told is None or told.value is None else told.value for told in settled],
            dtype=np.float64,
        ),
        followed_from=since,
        followed_until=until,
        left=left,
        undated=int(undated.sum()),
        known_until=_known_until(project, spans, now, last, until[due]),
        last_day=None if last is None else _EPOCH + timedelta(days=last),
        waiting_for=waiting_for,
    )


@dataclass(frozen=True, eq=False)
class _Known:
    """What outcomes say of each entry's window."""

    first_us: Ints
    """When that was first settled; ``NEVER``: it is not."""
    first: list[Settled | None]
    """As it was settled then."""
    left_us: Ints
    """When he left; ``NEVER``: not told."""
    again: dict[int, Callable[[datetime], Settled | None]]
    """Of entries with several outcomes: what they say at a moment."""

    def as_of(self, taken: Ints) -> list[Settled | None]:
        """What was settled when each entry's day was taken in; None: nothing, or it was not."""
        found = [
            told if first <= at != NEVER else None
            for told, first, at in zip(
                self.first, self.first_us.tolist(), taken.tolist(), strict=True
            )
        ]
        for place, settled_at in self.again.items():
            if found[place] is not None:
                found[place] = settled_at(from_us(int(taken[place])))
        return found


def _outcomes(
    project: Project,
    entries: tuple[ExperimentEntry, ...],
    spans: LabelSpans,
    windows: LabelWindows,
    now: datetime,
) -> _Known:
    first: list[Settled | None] = [None] * len(entries)
    first_us = np.full(len(entries), NEVER, dtype=np.int64)
    left = np.full(len(entries), NEVER, dtype=np.int64)
    again: dict[int, Callable[[datetime], Settled | None]] = {}
    engine = project.ledger.engine
    for start in range(0, len(entries), _CUSTOMERS):
        part = entries[start : start + _CUSTOMERS]
        known = outcomes_of(engine, sorted({one.customer_id for one in part}))
        for place, one in enumerate(part, start):
            told = known.get(one.customer_id)
            if not told:
                continue
            closes = from_us(int(windows.closes_us[place]))
            settled_at = partial(
                _settled,
                told,
                as_of=one.moment,
                opens=from_us(int(windows.opens_us[place])),
                closes=closes,
                zone=spans.zone,
                match_days=project.settings.outcomes.match_days,
            )
            for row in told:  # by the moment they were known
                if row.known_at is None or row.known_at > now:
                    continue
                first[place] = settled_at(row.known_at)
                if first[place] is not None:
                    first_us[place] = to_us(row.known_at)
                    break
            if len(told) > 1:
                again[place] = settled_at
            moment = _left(told, one.moment, closes, now)
            if moment is not None:
                left[place] = to_us(moment)
    return _Known(first_us, first, left, again)


def _settled(
    told: list[Outcome],
    now: datetime,
    *,
    as_of: datetime,
    opens: datetime,
    closes: datetime,
    zone: str,
    match_days: int,
) -> Settled | None:
    return settle(
        told,
        as_of=as_of,
        opens=opens,
        closes=closes,
        now=now,
        zone=zone,
        match_days=match_days,
    )


def _left(told: list[Outcome], after: datetime, until: datetime, now: datetime) -> datetime | None:
    """When he left in (after, until], by the row of each subject that was known last."""
    latest = {row.subject: row for row in told if row.known_at is not None and row.known_at <= now}
    moments = [
        row.churned_at
        for row in latest.values()
        if row.churned_at is not None and after < row.churned_at <= until
    ]
    return min(moments, default=None)


def _taken(
    day: Ints, decided_us: Ints, first_us: Ints, zone: str, now_us: int, *, share: float
) -> tuple[Ints, int | None, str]:
    """When each entry's day was taken in, the last such day, and what the next one waits for.

    Returns
    -------
    taken : shape (n,), ``NEVER``: not yet
    last : the day's number
    waiting_for : in words; empty where it just has not matured
    """
    taken = np.full(len(day), NEVER, dtype=np.int64)
    last: int | None = None
    before = 0
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    for start, end in pairwise([*starts.tolist(), len(day)]):
        number, n = int(day[start]), end - start
        matured = max(int(decided_us[start:end].max()), midnight_us(number + 1, zone))
        if matured > now_us:
            return taken, last, ""
        enough = int(np.sort(first_us[start:end])[max(math.ceil(share * n - 1e-9), 1) - 1])
        if enough > now_us:
            n_known = int((first_us[start:end] <= now_us).sum())
            when = _EPOCH + timedelta(days=number)
            return taken, last, f"{when}: {n_known:,} of {n:,} outcomes are known"
        before = max(before, matured, enough)
        taken[start:end] = before
        last = number
    return taken, last, ""


def _known_until(
    project: Project, spans: LabelSpans, now: datetime, last: int | None, ends: Ints
) -> int | None:
    """The last day of which all leavings are known.

    Who left contractually is known once the grace and the delay of outcomes have passed, if
    outcomes were taken in since. That somebody is no longer active is known when his window ends:
    then only days count that have matured as a whole.
    """
    if spans.known_last:
        # Up to the end of the first window that is still open nothing has been left out.
        return None if last is None else int(ends.max())
    reported = outcomes_known_until(project.ledger.engine)
    if reported is None:
        return None
    churn = project.settings.churn
    delay = round((churn.grace_days + spans.arrival_delay_days) * _DAY_US)
    latest = min(to_us(reported), moment_us(now, "UTC")) - delay
    return day_number(latest, spans.zone) - 1
