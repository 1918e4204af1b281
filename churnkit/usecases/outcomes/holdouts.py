"""The hold-out: random customers who are never treated, fixed before anybody is scored."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.domain.outcomes import Holdout, Treatment
from churnkit.errors import HoldoutInvalid, did_you_mean
from churnkit.features.as_of import parse_as_of
from churnkit.ledger import outcomes as table
from churnkit.project import Project, user_name
from churnkit.reporting.tables import escape_text
from churnkit.usecases.features.feature_set import AsOf
from churnkit.usecases.outcomes.treatments import shown_treatment
from churnkit.usecases.outcomes.weighing import is_member, violated
from churnkit.usecases.result import Result

_SHOWN = 20


@dataclass(frozen=True, repr=False)
class Holdouts(Result):
    """All hold-outs, and who of their members was treated all the same."""

    now: datetime
    holdouts: tuple[Holdout, ...]
    violations: tuple[tuple[str, Treatment], ...]
    """The hold-out's id, and the treatment that it should have kept off."""
    n_violations: int

    def __rich__(self) -> RenderableType:
        if not self.holdouts:
            return "There is no hold-out. 'churnkit holdout set --share 0.1' fixes one."
        view = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("hold-out", "share", "campaign", "from", "until", "by"):
            view.add_column(name)
        for one in self.holdouts:
            until = "" if one.valid_until is None else f"{one.valid_until:%Y-%m-%d %H:%M}"
            view.add_row(
                one.holdout_id,
                f"{one.share:.1%}",
                escape_text(one.campaign) if one.campaign else "all",
                f"{one.valid_from:%Y-%m-%d %H:%M}",
                until if one.holds_at(self.now) or not until else f"{until} (ended)",
                escape_text(one.created_by),
            )
        lines: list[RenderableType] = [view]
        if self.n_violations:
            lines.append(Text(f"{self.n_violations:,} treatments went to members:", style="bold"))
            lines += [
                escape_text(
                    f"  {name}: {row.customer_id} on {row.at:%Y-%m-%d} ({row.offer or 'treated'}"
                    f"{', ' + row.campaign if row.campaign else ''})"
                )
                for name, row in self.violations
            ]
            if self.n_violations > len(self.violations):
                lines.append(Text(f"  … and {self.n_violations - len(self.violations):,} more."))
        else:
            lines.append(Text("No member was treated."))
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        return {
            "holdouts": [one.model_dump(mode="json") for one in self.holdouts],
            "n_violations": self.n_violations,
            "violations": [
                {"holdout_id": name, **shown_treatment(row)} for name, row in self.violations
            ],
        }


def set_holdout(
    project: Project,
    share: float,
    *,
    campaign: str = "",
    since: AsOf | None = None,
    until: AsOf | None = None,
    salt: str = "",
    now: datetime | None = None,
) -> Holdouts:
    """Fix a hold-out; from then on it is evidence for predictions that are made later.

    Members are told by a keyed hash of their id, so that there is no list to leak or to lose.

    Parameters
    ----------
    share : of all customers, in (0, 1)
    campaign : only its treatments are kept off; empty: all. Only a hold-out of all campaigns is
        evidence for a rollout
    since : from when it holds, not in the past; None: now
    until : until when; None: until it is ended
    salt : decides who is a member; empty: a new random one

    Raises
    ------
    HoldoutInvalid : the share or the period cannot be used, or one for this campaign goes on
    """
    now = now or datetime.now(UTC)
    zone = project.settings.project.zone
    start = _moment(since, zone) or now
    end = _moment(until, zone)
    if not 0 < share < 1:
        raise HoldoutInvalid("the share is not between 0 and 1.", fix="0.1 is a usual one.")
    if start < now:
        raise HoldoutInvalid(
            "a hold-out cannot begin in the past: who was scored before it was fixed is no "
            "evidence.",
            fix="Leave the start away.",
            since=start.isoformat(),
        )
    if end is not None and end <= start:
        raise HoldoutInvalid("it would end before it begins.", until=end.isoformat())
    holdout = Holdout(
        holdout_id=secrets.token_hex(4),
        salt=salt or secrets.token_hex(16),
        share=share,
        campaign=campaign,
        valid_from=start,
        valid_until=end,
        created_at=now,
        created_by=user_name(),
    )
    for other in table.read_holdouts(project.ledger.engine):
        if other.campaign == campaign and _overlap(other, holdout):
            raise HoldoutInvalid(
                "there is a hold-out for this period already; its members would not be the same.",
                fix=f"End it first with 'churnkit holdout end {other.holdout_id}'.",
                holdout=other.holdout_id,
            )
    table.add_holdout(project.ledger.engine, holdout)
    return show_holdouts(project, now=now)


def end_holdout(project: Project, holdout_id: str, *, now: datetime | None = None) -> Holdouts:
    """Let a hold-out end now; predictions made before keep it as their evidence.

    Raises
    ------
    HoldoutInvalid : there is none of this name that goes on
    """
    now = now or datetime.now(UTC)
    if not table.end_holdout(project.ledger.engine, holdout_id, now):
        known = [one.holdout_id for one in table.read_holdouts(project.ledger.engine)]
        raise HoldoutInvalid(
            "there is no hold-out of this name that goes on.",
            fix=did_you_mean(holdout_id, known),
            holdout=holdout_id,
        )
    return show_holdouts(project, now=now)


def show_holdouts(project: Project, *, now: datetime | None = None) -> Holdouts:
    """All hold-outs, and the treatments that went to their members."""
    holdouts = table.read_holdouts(project.ledger.engine)
    found: list[tuple[str, Treatment]] = []
    n = 0
    if holdouts:
        for row in table.iterate_treated(project.ledger.engine):
            for holdout in holdouts:
                if violated(holdout, row):
                    n += 1
                    if len(found) < _SHOWN:
                        found.append((holdout.holdout_id, row))
    return Holdouts(
        now=now or datetime.now(UTC),
        holdouts=holdouts,
        violations=tuple(found),
        n_violations=n,
    )


def held_out(
    project: Project, customer_ids: Iterable[str], *, campaign: str = "", now: datetime
) -> set[str]:
    """Who of some customers must not be treated now.

    Parameters
    ----------
    campaign : that is about to treat them
    """
    holding = [
        one
        for one in table.read_holdouts(project.ledger.engine)
        if one.holds_at(now) and one.covers(campaign)
    ]
    return {name for name in customer_ids if any(is_member(one, name) for one in holding)}


def _overlap(a: Holdout, b: Holdout) -> bool:
    ends_before = a.valid_until is not None and a.valid_until <= b.valid_from
    begins_after = b.valid_until is not None and b.valid_until <= a.valid_from
    return not ends_before and not begins_after


def _moment(text: AsOf | None, zone: str) -> datetime | None:
    return parse_as_of(text, zone) if isinstance(text, str) else text
