"""Send a message by e-mail."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Literal

from churnkit.errors import AlertNotSent
from churnkit.notify.messages import Message


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed over."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    user: str = ""
    password: str = ""
    timeout_seconds: float = 10.0


def mail_message(message: Message, server: MailServer, *, sender: str, to: Sequence[str]) -> None:
    """Hand the message over to a mail server.

    Raises
    ------
    AlertNotSent : it cannot be reached, or does not take the message for every receiver
    """
    mail = EmailMessage()
    try:
        mail["Subject"] = f"churnkit: {message.title}".replace("\n", " ").replace("\r", " ")
        mail["From"], mail["To"] = sender, ", ".join(to)
    except ValueError as error:
        raise AlertNotSent(
            "alerts.email_from or alerts.email_to is no e-mail address.",
            fix="Write them as name@example.com.",
        ) from error
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = make_msgid(domain="churnkit.invalid")
    mail.set_content(message.text)
    try:
        with _connected(server) as connection:
            if server.security == "starttls":
                connection.starttls(context=ssl.create_default_context())
            if server.user:
                connection.login(server.user, server.password)
            refused = connection.send_message(mail)
    except (OSError, smtplib.SMTPException) as error:
        raise AlertNotSent(
            f"the mail server did not take the message: {type(error).__name__}.",
            fix="Check [alerts] in churnkit.toml and CHURNKIT_SMTP_PASSWORD.",
            host=f"{server.host}:{server.port}",
        ) from error
    if refused:
        raise AlertNotSent(
            f"the mail server refused {len(refused)} of {len(to)} receivers.",
            fix="Check alerts.email_to.",
            host=f"{server.host}:{server.port}",
        )


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(
            server.host,
            server.port,
            timeout=server.timeout_seconds,
            context=ssl.create_default_context(),
        )
    return smtplib.SMTP(server.host, server.port, timeout=server.timeout_seconds)
