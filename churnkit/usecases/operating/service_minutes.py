"""What replicas write of the requests that they answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from churnkit.ledger import service_minutes as ledger
from churnkit.ledger.service_minutes import Requests, Route
from churnkit.project import Project


def write_minutes(
    project: Project, replica: str, minutes: Mapping[tuple[datetime, Route], Requests]
) -> None:
    """Write what a replica counted so far; writing it twice changes nothing."""
    ledger.write_minutes(project.ledger.engine, replica, minutes)


def tidy_figures(project: Project, now: datetime) -> None:
    """Join old minutes to hours, and forget what is older than ``service.figures_days``."""
    keep = timedelta(days=project.settings.service.figures_days)
    ledger.tidy_figures(project.ledger.engine, now=now, keep=keep)
