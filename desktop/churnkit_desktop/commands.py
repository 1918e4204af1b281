"""``churnkit desktop``, found by the command line as an entry point; Qt loads when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from churnkit.cli.session import Folder, Session
from churnkit.errors import MissingDependency


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(desktop)


def desktop(
    ctx: typer.Context,
    place: Annotated[
        str,
        typer.Argument(
            help="A project folder or a service's address; without one, what was open last."
        ),
    ] = "",
    folder: Folder = None,
) -> None:
    """Open the console in a window."""
    if not place and folder is not None:
        place = str(Session.begin(ctx, folder, False).folder)
    try:
        from churnkit_desktop.language import use
        from churnkit_desktop.session.memory import Memory

        use(str(Memory().general().get("language", "en")))  # before the screens are imported
        from churnkit_desktop.app import run
    except ImportError as error:
        raise MissingDependency(
            f"the console needs {error.name}.", fix="Install 'churnkit[desktop]'."
        ) from error
    code = run(place)
    if code:
        raise typer.Exit(code)
