"""[alerts]: who hears of trouble."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from churnkit.settings.kinds import Table, Words


class AlertsTable(Table):
    """To whom alerts go. Secrets are only in the environment: CHURNKIT_SMTP_PASSWORD, and
    CHURNKIT_WEBHOOK_SECRET, which signs what a webhook gets."""

    webhook_url: str = Field("", description="Alerts are posted there; empty: nowhere.")
    email_to: Words = Field((), description="Who gets alerts by e-mail.")
    email_from: str = Field("churnkit@localhost", description="Who they come from.")
    smtp_host: str = Field("", description="The mail server; empty: no e-mail.")
    smtp_port: int = Field(587, ge=1, le=65_535)
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "starttls", description="none, starttls or tls."
    )
    smtp_user: str = Field("", description="Who logs in there; empty: nobody needs to.")
    remind_days: float = Field(7.0, gt=0, description="An alert that goes on is sent again.")
    settle_hours: float = Field(24.0, ge=0, description="Gone for less, it has not ended.")
    most_per_hour: int = Field(10, ge=1, description="More wait for the next time.")
    timeout_seconds: float = Field(10.0, gt=0, description="For a webhook or a mail server.")
