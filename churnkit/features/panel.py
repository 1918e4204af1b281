"""When labels look and are decided, and which dates a model learns from and is tested on.

All bounds are calendar days of the project's zone: N days later is when the wall clock shows the
same time N days later, also over a clock change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from churnkit.data.zones import day_numbers, midnight_us, moment_us, plus_days, shown_moment
from churnkit.domain.events import US_PER_DAY, LogSchema
from churnkit.domain.labels import LabelWindow, Panel
from churnkit.errors import DataEmpty, LabelsNotMatured
from churnkit.features.windows import label_window
from churnkit.settings.churn import ChurnTable


@dataclass(frozen=True)
class Calendar:
    """What decides when a label is known.

    Parameters
    ----------
    churn : [churn] of churnkit.toml
    log : what was imported
    arrival_delay_days : how late facts arrive
    now_us : the present, microseconds UTC

    Raises
    ------
    DataEmpty : the log has no events
    """

    churn: ChurnTable
    log: LogSchema
    arrival_delay_days: float
    now_us: int

    def __post_init__(self) -> None:
        if self.log.first_us is None or self.log.known_until_us is None:
            raise DataEmpty(
                "the log has no events.", fix="Import some with 'churnkit import FILE'."
            )

    @property
    def first_us(self) -> int:
        """The first event."""
        return self.log.first_us or 0

    @property
    def known_until_us(self) -> int:
        """Until when the facts that decide labels are known: the present, or the end of the log.

        For contractual churn that is the end of the events or of the subscriptions, whichever
        is earlier: a renewal after the last subscription that is known cannot have been seen.
        """
        log = self.log
        ends = [log.events_until_us]
        if self.churn.kind == "contractual":
            ends.append(log.subscriptions_until_us)
        known = min((us for us in ends if us is not None), default=log.known_until_us or 0)
        return min(self.now_us, known)

    def window(self, as_of_us: int) -> LabelWindow:
        """When the label of a date looks, and when it is decided."""
        return label_window(
            self.churn,
            as_of_us,
            zone=self.log.zone,
            arrival_delay_days=self.arrival_delay_days,
        )

    def matured(self, as_of_us: int) -> bool:
        """Whether the label of a date is decided."""
        return self.window(as_of_us).decided_us <= self.known_until_us

    def eligible_since_us(self, as_of_us: int) -> int | None:
        """Activity after this moment makes a customer eligible; None: any."""
        days = self.churn.eligible_days
        return None if days is None else plus_days(as_of_us, -days, self.log.zone)

    def latest_day(self, until_us: int) -> int:
        """The last day (since 1970) at whose beginning a label is decided by a moment."""
        span = self.churn.lead_days + self.churn.horizon_days + self.churn.grace_days
        day = _day(until_us, self.log.zone) - span
        while self.window(midnight_us(day, self.log.zone)).decided_us > until_us:
            day -= 1
        return day

    def month_starts(self) -> Iterator[int]:
        """The first day of each month from the first event to the end of the log."""
        zone, end = self.log.zone, self.known_until_us
        month = np.datetime64(_day(self.first_us, zone), "D").astype("datetime64[M]") + 1
        while True:
            day = int(month.astype("datetime64[D]").astype(np.int64))
            as_of = midnight_us(day, zone)
            if as_of > end:
                return
            yield as_of
            month += 1


def panel(calendar: Calendar) -> Panel:
    """The dates that churnkit.toml names, or dates at ``stride_days`` that end with the latest
    matured one. The last ones are for the test, as many as ``test_dates`` says and as leave dates
    to learn from, whose labels were decided when the first test date came.

    Raises
    ------
    LabelsNotMatured : the log is too short for a test date and one to learn from, or a date that
        was named is not matured
    """
    churn, zone = calendar.churn, calendar.log.zone
    named = _named(calendar)
    for n_tests in range(churn.test_dates, 0, -1):
        if named:
            tests, before = named[-n_tests:], named[:-n_tests]
            train = [one for one in before if calendar.window(one).decided_us <= tests[0]]
            # A named date may not be passed over in silence.
            enough = len(tests) == n_tests and train and train == before
        else:
            last = calendar.latest_day(calendar.known_until_us)
            days = [last - churn.stride_days * back for back in range(n_tests)][::-1]
            tests = [midnight_us(day, zone) for day in days]
            train = _before(calendar, tests[0])
            # Few dates for the test rather than few to learn from.
            enough = bool(train) and (n_tests == 1 or len(train) >= n_tests)
        if enough:
            return Panel(
                train_us=tuple(train),
                test_us=tests[0],
                later_us=tuple(tests[1:]),
                ground=_ground(calendar, train, tests),
            )
    if named:
        raise _no_use(calendar, named)
    span = churn.lead_days + churn.horizon_days + churn.grace_days
    days_known = (calendar.known_until_us - calendar.first_us) / US_PER_DAY
    raise LabelsNotMatured(
        f"the log spans {days_known:,.0f} days; a test date and one to learn from need "
        f"{2 * span + churn.history_days:,}: twice the {span:,} days of a label and "
        f"{churn.history_days:,} of history.",
        fix="Shorten horizon_days or history_days in [churn], or import a longer log.",
    )


def _before(calendar: Calendar, test_us: int) -> list[int]:
    """Dates at ``stride_days`` whose labels were decided at the test date, with enough history."""
    churn, zone = calendar.churn, calendar.log.zone
    earliest = plus_days(calendar.first_us, churn.history_days, zone)
    day = calendar.latest_day(test_us)
    train: list[int] = []
    while len(train) < churn.max_dates - 1:
        as_of = midnight_us(day, zone)
        if as_of < earliest:
            break
        train.insert(0, as_of)
        day -= churn.stride_days
    return train


def _ground(calendar: Calendar, train: list[int], tests: list[int]) -> str:
    zone = calendar.log.zone
    learnt = (
        f"learnt from {shown_moment(train[0], zone)}"
        if len(train) == 1
        else f"learnt from {len(train)} dates, {shown_moment(train[0], zone)} … "
        f"{shown_moment(train[-1], zone)}"
    )
    tested = (
        f"tested at {shown_moment(tests[0], zone)}"
        if len(tests) == 1
        else f"tested at {len(tests)} dates, {shown_moment(tests[0], zone)} … "
        f"{shown_moment(tests[-1], zone)}"
    )
    return f"{tested}; {learnt}, whose labels were decided by then"


def _named(calendar: Calendar) -> list[int]:
    """The dates of churnkit.toml, in order."""
    zone = calendar.log.zone
    texts = calendar.churn.as_of
    dates = sorted({moment_us(datetime.fromisoformat(text), zone) for text in texts})
    for as_of in dates:
        if not calendar.matured(as_of):
            raise not_matured(calendar, as_of)
    return dates


def _no_use(calendar: Calendar, dates: list[int]) -> LabelsNotMatured:
    zone = calendar.log.zone
    late = [one for one in dates[:-1] if calendar.window(one).decided_us > dates[-1]]
    if late and len(dates) > 1:
        what = (
            f"the label of {shown_moment(late[0], zone)} is decided only after the test date "
            f"{shown_moment(dates[-1], zone)}."
        )
    else:
        what = "as_of names one date; a panel has one to learn from and a later one for the test."
    return LabelsNotMatured(what, fix="Change as_of in [churn] of churnkit.toml.")


def not_matured(calendar: Calendar, as_of_us: int) -> LabelsNotMatured:
    """The error for a date whose labels are not decided."""
    zone = calendar.log.zone
    decided = shown_moment(calendar.window(as_of_us).decided_us, zone)
    latest = midnight_us(calendar.latest_day(calendar.known_until_us), zone)
    return LabelsNotMatured(
        f"the labels of {shown_moment(as_of_us, zone)} are decided on {decided}; facts are known "
        f"until {shown_moment(calendar.known_until_us, zone)}.",
        fix=f"The latest matured date is {shown_moment(latest, zone)}.",
        as_of=shown_moment(as_of_us, zone),
    )


def _day(us: int, zone: str) -> int:
    return int(day_numbers(np.array([us], dtype=np.int64), zone)[0])
