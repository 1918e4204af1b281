"""The controller over logged predictions and outcomes: what another plan would have decided."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import assert_never

import numpy as np
import numpy.typing as npt

from churnkit.domain.frozen import Frozen
from churnkit.errors import EvidenceInvalid
from churnkit.rollout.assignment import buckets
from churnkit.rollout.controller import Decision, Evidence, decide
from churnkit.rollout.evidence import StreamState, absorb
from churnkit.rollout.pairs import Pairs
from churnkit.rollout.plan import Plan
from churnkit.rollout.position import Position, abort, advance, pause, promote, start


class Replay(Frozen):
    """All decisions of a replay, one for each look, the oldest first."""

    decisions: tuple[Decision, ...]
    pairs: tuple[int, ...]
    """Matured pairs that were evidence at each look."""
    position: Position
    """Where the rollout would stand after the last look."""

    @property
    def turns(self) -> tuple[tuple[Decision, int], ...]:
        """The decisions that changed something, with the pairs that they rest on."""
        both = zip(self.decisions, self.pairs, strict=True)
        return tuple((decision, n) for decision, n in both if decision.changes)


def replay(
    plan: Plan,
    pairs: Pairs,
    *,
    salt: str,
    days_to_mature: float,
    looks: Sequence[datetime],
    history: StreamState | None = None,
) -> Replay:
    """Run the controller as if it had looked at these moments.

    Parameters
    ----------
    pairs : all predictions that both models made, with what became true later
    salt : of the assignment; decides whom the challenger would have answered at each share
    days_to_mature : lead + horizon + grace + arrival delay; an outcome is seen only after it
    looks : moments in UTC, rising; the first one is the start. The replay ends at the last one, or
        when the rollout is over
    history : evidence from before the rollout, which a plan may accept

    Raises
    ------
    EvidenceInvalid : there is no look, or they do not rise
    """
    if not looks or any(a >= b for a, b in itertools.pairwise(looks)):
        raise EvidenceInvalid("a replay needs moments to look at, each later than the one before.")
    ordered = pairs.in_order()
    at = ordered.predicted_at
    ordered = ordered.take(at >= _utc(looks[0]))
    at = ordered.predicted_at
    known, customer = np.unique(ordered.customer_id, return_inverse=True)
    bucket = buckets(known.tolist(), salt=salt)[customer]
    mature = at + np.timedelta64(round(days_to_mature * 86_400e6), "us")

    position, live, taken = start(looks[0]), StreamState(), 0
    decisions: list[Decision] = []
    counts: list[int] = []
    for now in looks:
        matured = int(np.searchsorted(mature, _utc(now), side="right"))
        live = absorb(plan, live, ordered.take(np.arange(taken, matured)))
        taken = matured
        share = position.share(plan)
        window = (at >= _utc(position.stage_since)) & (at <= _utc(now))
        seen = window if share == 0 else window & (bucket < share)
        evidence = Evidence(
            position=position,
            live=live,
            history=history,
            customers_in_stage=_distinct(customer[seen]),
        )
        decision = decide(plan, evidence, now)
        decisions.append(decision)
        counts.append(live.n)
        position = applied(plan, position, decision)
        if position.over:
            break
    return Replay(decisions=tuple(decisions), pairs=tuple(counts), position=position)


def applied(plan: Plan, position: Position, decision: Decision) -> Position:
    """The position after a decision; the same one where it changes nothing."""
    if not decision.changes:
        return position
    match decision.verdict:
        case "wait":
            return position
        case "pause":
            return pause(position)
        case "advance":
            return advance(position, plan, at=decision.at)
        case "promote":
            return promote(position, plan, at=decision.at)
        case "abort":
            return abort(position)
        case _:
            assert_never(decision.verdict)


def looks_every(start_at: datetime, days: float, *, until: datetime) -> tuple[datetime, ...]:
    """Moments at equal distances, from the start to the end."""
    step = timedelta(days=days)
    return tuple(start_at + i * step for i in range(int((until - start_at) / step) + 1))


def _distinct(codes: npt.NDArray[np.int64]) -> int:
    return len(np.unique(codes))


def _utc(moment: datetime) -> np.datetime64:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return np.datetime64(aware.astimezone(UTC).replace(tzinfo=None), "us")
