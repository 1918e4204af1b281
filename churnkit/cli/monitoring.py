"""The command that judges running models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.features import WHEN
from churnkit.cli.session import Folder, Json, Session
from churnkit.features.as_of import parse_as_of
from churnkit.usecases.monitoring import verbs as monitoring


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(monitor)


def monitor(
    ctx: typer.Context,
    version: Annotated[str | None, typer.Option(help="Only this model version.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help=f"Only predictions from then on. {WHEN}")
    ] = None,
    send: Annotated[
        bool, typer.Option("--send", help=r"Send the alerts that are due, as \[alerts] says.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the months into an .svg or .png.")
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """How good the models have been by month, what has drifted, and what should alarm."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project, session.progress() as progress:
        zone = project.settings.project.zone
        result = monitoring.monitor(
            project,
            version=version,
            since=None if since is None else parse_as_of(since, zone),
            send=send,
            plot=plot,
            progress=progress,
        )
    session.show(result)
