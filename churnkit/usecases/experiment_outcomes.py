"""An experiment's customers with what became of them: whole matured days of entry, in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from churnkit.data.zones import day_numbers, moment_us
from churnkit.domain.experiments import ExperimentEntry, ExperimentRow
from churnkit.domain.moments import day_number, from_us, to_us
from churnkit.domain.outcomes import Outcome, Settled, settle
from churnkit.ledger.experiments import outcomes_known_until, read_entries
from churnkit.ledger.outcomes import outcomes_of
from churnkit.project import Project
from churnkit.rollout.logrank import NEVER
from churnkit.usecases.maturing import LabelSpans, label_spans

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
    """Due, without one."""
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
    today = day_number(moment_us(now, "UTC"), spans.zone)
    settled, left_us = _outcomes(project, entries, spans, windows.opens_us, windows.closes_us, now)
    decided = (windows.decided_us <= moment_us(now, "UTC")) & (day < today)
    known = np.array([told is not None for told in settled], dtype=np.bool_)
    last, waiting_for = _whole(day, decided, known, project.settings.outcomes.complete_share)
    due = day <= last if last is not None else np.zeros(len(entries), dtype=np.bool_)
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
        missing=due & ~known,
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


def _outcomes(
    project: Project,
    entries: tuple[ExperimentEntry, ...],
    spans: LabelSpans,
    opens_us: Ints,
    closes_us: Ints,
    now: datetime,
) -> tuple[list[Settled | None], Ints]:
    """What is settled of each customer's window, and when he left (``NEVER``: not told)."""
    settled: list[Settled | None] = [None] * len(entries)
    left = np.full(len(entries), NEVER, dtype=np.int64)
    engine = project.ledger.engine
    for start in range(0, len(entries), _CUSTOMERS):
        part = entries[start : start + _CUSTOMERS]
        known = outcomes_of(engine, sorted({one.customer_id for one in part}))
        for place, one in enumerate(part, start):
            told = known.get(one.customer_id)
            if not told:
                continue
            closes = from_us(int(closes_us[place]))
            settled[place] = settle(
                told,
                as_of=one.moment,
                opens=from_us(int(opens_us[place])),
                closes=closes,
                now=now,
                zone=spans.zone,
                match_days=project.settings.outcomes.match_days,
            )
            moment = _left(told, one.moment, closes, now)
            if moment is not None:
                left[place] = to_us(moment)
    return settled, left


def _left(told: list[Outcome], after: datetime, until: datetime, now: datetime) -> datetime | None:
    """When he left in (after, until], by the row of each subject that was known last."""
    latest = {row.subject: row for row in told if row.known_at is not None and row.known_at <= now}
    moments = [
        row.churned_at
        for row in latest.values()
        if row.churned_at is not None and after < row.churned_at <= until
    ]
    return min(moments, default=None)


def _whole(day: Ints, decided: Bools, known: Bools, share: float) -> tuple[int | None, str]:
    """The last day of entry before the first that is not whole, and why that one is not."""
    last: int | None = None
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    for start, end in pairwise([*starts.tolist(), len(day)]):
        if not decided[start:end].all():
            return last, ""
        n, n_known = end - start, int(known[start:end].sum())
        if n_known < share * n:
            when = _EPOCH + timedelta(days=int(day[start]))
            return last, f"{when}: {n_known:,} of {n:,} outcomes are known"
        last = int(day[start])
    return last, ""


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
