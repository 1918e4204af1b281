"""What became true of a customer, and what was done about it, as the ledger keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from churnkit.domain.frozen import Frozen
from churnkit.domain.moments import day_number, to_us


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of one customer, in one of two kinds.

    A *window* says whether he churned in the window that belongs to ``as_of``. An *observation*
    says that he was watched in ``(observed_from, observed_to]`` (None: since ever; until
    ``known_at``), and when he left, if he did. A correction is a further row about the same
    subject; of several, the one known last holds.

    ``churned`` None: it is settled that there is no label, because he was not among those of whom
    it is asked. ``known_at`` None: known at the moment it is recorded.
    """

    customer_id: str
    churned: bool | None
    source: str
    as_of: datetime | None = None
    observed_from: datetime | None = None
    observed_to: datetime | None = None
    churned_at: datetime | None = None
    value: float | None = None
    """What the customer is, or was, worth."""
    known_at: datetime | None = None

    @property
    def subject(self) -> str:
        """What the row speaks of, besides the customer; corrections share it."""
        if self.as_of is not None:
            return f"window {to_us(self.as_of)}"
        return "since ever" if self.observed_from is None else f"since {to_us(self.observed_from)}"

    @property
    def content(self) -> tuple[object, ...]:
        """What it says of its subject."""
        return (self.churned, self.churned_at, self.observed_to, self.value)

    def outcome_id(self) -> str:
        """Equal for rows about one subject that were known at the same moment."""
        known = "" if self.known_at is None else str(to_us(self.known_at))
        return fingerprint(self.customer_id, self.subject, known)

    def known(self, at: datetime | None) -> Outcome:
        """The same, known at a moment; None: when it is recorded."""
        return replace(self, known_at=at)


@dataclass(frozen=True, slots=True)
class Treatment:
    """An offer that a customer got, or, with ``hold_out``, was drawn not to get.

    ``assignment_probability`` is the probability of being treated that was used when the choice
    was drawn, in [0, 1]; None: the choice was not drawn.
    """

    treatment_id: str
    customer_id: str
    at: datetime
    offer: str
    campaign: str
    source: str
    assignment_probability: float | None = None
    hold_out: bool = False
    cost: float | None = None

    @property
    def content(self) -> tuple[object, ...]:
        """All that a second delivery must repeat."""
        return (
            self.customer_id,
            self.at,
            self.offer,
            self.campaign,
            self.assignment_probability,
            self.hold_out,
            self.cost,
        )


def treatment_name(customer_id: str, at: datetime, offer: str, campaign: str) -> str:
    """The id of a treatment that came without one: whom, when, what and why."""
    return fingerprint(customer_id, str(to_us(at)), offer, campaign)


class Holdout(Frozen):
    """Customers who are never treated: those whose place by the salt is below the share.

    It was fixed at ``created_at`` and holds for predictions in [valid_from, valid_until). An
    empty campaign means: of all campaigns.
    """

    holdout_id: str
    salt: str
    share: float
    campaign: str
    valid_from: datetime
    valid_until: datetime | None
    created_at: datetime
    created_by: str

    def holds_at(self, moment: datetime) -> bool:
        """Whether it keeps customers from treatments at this moment."""
        return self.valid_from <= moment and (self.valid_until is None or moment < self.valid_until)

    def covers(self, campaign: str) -> bool:
        """Whether it keeps customers from this campaign."""
        return self.campaign in ("", campaign)


class Recorded(Frozen):
    """What became of rows that were handed to the ledger."""

    n_new: int = 0
    """Of them ``n_corrected`` correct an earlier row."""
    n_known: int = 0
    """Nothing new in them."""
    n_corrected: int = 0
    n_contradictory: int = 0
    """Known at the same moment as an earlier row, but they say otherwise; not recorded."""
    contradictory: tuple[int, ...] = ()
    """Their places among the rows that were given."""

    def plus(self, other: Recorded, offset: int) -> Recorded:
        """Together with the next rows, which begin at ``offset``."""
        return Recorded(
            n_new=self.n_new + other.n_new,
            n_known=self.n_known + other.n_known,
            n_corrected=self.n_corrected + other.n_corrected,
            n_contradictory=self.n_contradictory + other.n_contradictory,
            contradictory=(*self.contradictory, *(offset + i for i in other.contradictory)),
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """What outcomes say of one window."""

    churned: bool | None
    """None: there is no label."""
    value: float | None
    known_at: datetime | None


def settle(
    outcomes: Sequence[Outcome],
    *,
    as_of: datetime,
    opens: datetime,
    closes: datetime,
    now: datetime,
    zone: str = "UTC",
    match_days: int = 0,
) -> Settled | None:
    """What the outcomes of one customer say of the window (opens, closes] after ``as_of``.

    Of rows about windows those count whose ``as_of`` is nearest; of all rows that decide it the
    one known last.

    Parameters
    ----------
    now : rows that became known later do not count
    zone, match_days : a window's ``as_of`` may be so many days of the zone away; 0: the same day

    Returns
    -------
    settled : None where nothing decides it yet
    """
    best: tuple[datetime, bool | None, float | None] | None = None
    day = day_number(to_us(as_of), zone)
    latest: dict[str, Outcome] = {}
    nearest: timedelta | None = None
    for row in outcomes:
        if row.known_at is None or row.known_at > now:
            continue
        if row.as_of is not None:
            if abs(day_number(to_us(row.as_of), zone) - day) > match_days:
                continue
            distance = abs(row.as_of - as_of)
            if nearest is None or distance < nearest:
                nearest = distance
        before = latest.get(row.subject)
        if before is None or before.known_at is None or before.known_at <= row.known_at:
            latest[row.subject] = row
    for row in latest.values():
        assert row.known_at is not None
        if row.as_of is not None:
            if abs(row.as_of - as_of) != nearest:
                continue
            said: bool | None = row.churned
        else:
            decided = _observed(row, as_of=as_of, opens=opens, closes=closes)
            if decided is None:
                continue
            said = decided[0]
        if best is None or row.known_at >= best[0]:
            best = (row.known_at, said, row.value)
    return None if best is None else Settled(churned=best[1], value=best[2], known_at=best[0])


def _observed(
    row: Outcome, *, as_of: datetime, opens: datetime, closes: datetime
) -> tuple[bool | None] | None:
    """What an observation says of a window: (label,), or None where it does not reach."""
    if row.observed_from is not None and row.observed_from > as_of:
        return None
    left = row.churned_at
    if left is not None:
        if left <= as_of:
            return (None,)  # gone before he was asked about
        if left <= closes:
            return (left > opens,)
        return (False,)
    until = row.observed_to if row.observed_to is not None else row.known_at
    return (False,) if until is not None and until >= closes else None


def fingerprint(*parts: str) -> str:
    """A short digest (BLAKE2b, hexadecimal) of some texts; other texts have another one."""
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return hasher.hexdigest()
