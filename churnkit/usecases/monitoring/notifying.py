"""Send alerts: each once, again when worse, and not too many at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from churnkit.errors import AlertNotSent
from churnkit.ledger.monitoring import keep_alert_history, read_alert_history
from churnkit.monitoring.alerts import Alert
from churnkit.monitoring.dispatch import DispatchPolicy, History, dispatch
from churnkit.notify.email import MailServer, mail_message
from churnkit.notify.messages import Line, Message
from churnkit.notify.webhook import post_message
from churnkit.project import Project
from churnkit.usecases.happenings import announce

_HISTORY = "monitor"
_SMTP_PASSWORD = "CHURNKIT_SMTP_PASSWORD"
_WEBHOOK_SECRET = "CHURNKIT_WEBHOOK_SECRET"


@dataclass(frozen=True)
class Sent:
    """What left, and what did not."""

    sent: tuple[Alert, ...] = ()
    held: tuple[Alert, ...] = ()
    """Sent not long ago, or too many at once."""
    ended: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    """Of channels that took nothing; the others did."""


def send_alerts(
    project: Project,
    alerts: Sequence[Alert],
    *,
    now: datetime,
    environ: Mapping[str, str] = os.environ,
) -> Sent:
    """Send the alerts that are due by all channels of [alerts].

    What was sent is written down afterwards: an interrupted call sends again, and loses nothing.

    Raises
    ------
    AlertNotSent : no channel is set up, or none took the message; the next call sends it again
    """
    settings = project.settings.alerts
    channels = _channels(project, environ)
    if not channels:
        raise AlertNotSent(
            "nobody is named to whom alerts go.",
            fix="Set alerts.webhook_url, or alerts.smtp_host and alerts.email_to.",
            file=project.folder,
        )
    policy = DispatchPolicy(
        remind_after=timedelta(days=settings.remind_days),
        settle=timedelta(hours=settings.settle_hours),
        most=settings.most_per_hour,
    )
    engine = project.ledger.engine
    decided = dispatch(alerts, _history(project), now=now, policy=policy)
    held = tuple(one.alert for one in decided.held)
    names, failures = [], []
    if decided.send or decided.ended:
        message = Message(
            project=project.settings.project.name,
            at=now,
            lines=[
                Line(a.severity, a.subject, a.sentence, a.since, a.evidence, a.request)
                for a in decided.send
            ],
            ended=decided.ended,
        )
        problems: list[AlertNotSent] = []
        for name, send in channels.items():
            try:
                send(message)
                names.append(name)
            except AlertNotSent as error:
                problems.append(error)
                failures.append(f"{name}: {error}")
        if not names:
            raise problems[0]
    for alert in decided.send:
        news = {"severity": alert.severity, "subject": alert.subject, "what": alert.sentence}
        announce(project, "alert", news, at=now)
    keep_alert_history(engine, _HISTORY, decided.history.model_dump_json(), at=now)
    return Sent(decided.send, held, decided.ended, tuple(names), tuple(failures))


def _channels(project: Project, environ: Mapping[str, str]) -> dict[str, Callable[[Message], None]]:
    settings = project.settings.alerts
    channels: dict[str, Callable[[Message], None]] = {}
    if settings.webhook_url:
        channels["webhook"] = lambda message: post_message(
            message,
            settings.webhook_url,
            secret=environ.get(_WEBHOOK_SECRET, ""),
            timeout_seconds=settings.timeout_seconds,
        )
    if settings.smtp_host and settings.email_to:
        server = MailServer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            user=settings.smtp_user,
            password=environ.get(_SMTP_PASSWORD, ""),
            timeout_seconds=settings.timeout_seconds,
        )
        channels["e-mail"] = lambda message: mail_message(
            message, server, sender=settings.email_from, to=settings.email_to
        )
    return channels


def _history(project: Project) -> History:
    text = read_alert_history(project.ledger.engine, _HISTORY)
    try:
        return History() if text is None else History.model_validate_json(text)
    except ValidationError:
        return History()  # of a later churnkit: at worst an alert is sent twice
