"""Which alerts are sent now: each once, again when worse, and not too many at a time.

A pure function of the alerts, of what was sent before, and of the time. The history that it
returns holds no more than it needs: the last time for each alert that goes on, and the times of
the last window.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from churnkit.domain.frozen import Frozen
from churnkit.monitoring.alerts import SEVERITIES, Alert, Severity


class DispatchPolicy(Frozen):
    """How often a person may be disturbed.

    An alert that goes on is repeated after ``remind_after``; one that was gone for less than
    ``settle`` has not ended. At most ``most`` alerts leave in any ``window``.
    """

    remind_after: timedelta = Field(timedelta(days=7), gt=timedelta(0))
    settle: timedelta = Field(timedelta(hours=24), ge=timedelta(0))
    most: int = Field(10, gt=0)
    window: timedelta = Field(timedelta(hours=1), gt=timedelta(0))


class Known(Frozen):
    """An alert that was sent and has not ended."""

    key: str
    severity: Severity
    sent_at: datetime
    seen_at: datetime


class History(Frozen):
    """What was sent: the alerts that go on, and when the last ones left."""

    known: tuple[Known, ...] = ()
    sent: tuple[datetime, ...] = ()


class Held(Frozen):
    """An alert that is not sent now."""

    alert: Alert
    why: Literal["known", "too_many"]


class Dispatch(Frozen):
    """What to send, what not, which alerts have ended, and the history after it."""

    send: tuple[Alert, ...]
    held: tuple[Held, ...]
    ended: tuple[str, ...]
    history: History


def dispatch(
    alerts: Sequence[Alert], history: History, *, now: datetime, policy: DispatchPolicy
) -> Dispatch:
    """Decide. The same alerts, history and time give the same answer.

    Parameters
    ----------
    alerts : all that hold now; of two with one key the graver counts
    history : as the last call returned it
    now : not before the history's times; a clock that was set back only delays
    """
    graver: dict[str, Alert] = {}
    for alert in alerts:
        old = graver.get(alert.key)
        if old is None or _rank(alert.severity) > _rank(old.severity):
            graver[alert.key] = alert
    before = {known.key: known for known in history.known}
    recent = [at for at in history.sent if now - at < policy.window]
    room = max(policy.most - len(recent), 0)
    send: list[Alert] = []
    held: list[Held] = []
    known: list[Known] = []
    # The gravest first; among equals new ones before reminders; then by name.
    order = sorted(graver.values(), key=lambda a: (-_rank(a.severity), a.key in before, a.key))
    for alert in order:
        past = before.get(alert.key)
        due = past is None or _due(alert, past, now, policy)
        if due and room:
            room -= 1
            send.append(alert)
            known.append(Known(key=alert.key, severity=alert.severity, sent_at=now, seen_at=now))
            continue
        held.append(Held(alert=alert, why="too_many" if due else "known"))
        if past is not None:
            known.append(past.model_copy(update={"seen_at": max(now, past.seen_at)}))
    gone = [past for key, past in before.items() if key not in graver]
    still = [past for past in gone if now - past.seen_at < policy.settle]
    return Dispatch(
        send=tuple(send),
        held=tuple(held),
        ended=tuple(sorted(past.key for past in gone if past not in still)),
        history=History(known=(*known, *still), sent=(*recent, *[now] * len(send))),
    )


def _due(alert: Alert, past: Known, now: datetime, policy: DispatchPolicy) -> bool:
    worse = _rank(alert.severity) > _rank(past.severity)
    return worse or now - past.sent_at >= policy.remind_after


def _rank(severity: Severity) -> int:
    return SEVERITIES.index(severity)
