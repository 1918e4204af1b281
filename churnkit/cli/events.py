"""Commands about a project of events: labels."""

from __future__ import annotations

from typing import Annotated

import typer

from churnkit.cli.session import Folder, Json, Session
from churnkit.usecases.features import labels as labelling


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(labels)


def labels(
    ctx: typer.Context,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Days, instead of those in churnkit.toml.")
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Who churned over time, how many labels are not matured, and what other horizons change."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project, session.progress() as progress:
        result = labelling.labels(project, horizon_days=horizon, progress=progress)
    session.show(result)
