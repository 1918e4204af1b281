"""Commands about data that nobody left behind: simulate."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.session import Json, Session
from churnkit.usecases.projects import simulating


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(simulate)


def simulate(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    customers: Annotated[int, typer.Option(help="How many there are or will be.")] = 10_000,
    days: Annotated[int, typer.Option(help="How long the business is watched.")] = 730,
    seed: Annotated[int, typer.Option(help="The same seed gives the same customers.")] = 0,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The first day (UTC).")
    ] = datetime(2024, 1, 1),  # noqa: DTZ001 -- typer reads a day, which has no zone
    drift: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND@DAY",
            help="From this day on, customers change (covariate) or their reasons do (concept).",
        ),
    ] = None,
    events_per_customer: Annotated[
        float, typer.Option(help="Logins and uses per customer and 30 days, about.")
    ] = 5.0,
    json: Json = False,
) -> None:
    """Make a subscription business whose truth is known: its log, and beside it the truth."""
    session = Session.begin(ctx, None, json)
    with session.progress() as progress:
        made = simulating.simulate(
            directory,
            customers=customers,
            days=days,
            seed=seed,
            start=start.date(),
            drift=drift or (),
            events_per_customer=events_per_customer,
            progress=progress,
        )
    session.show(made)
