"""Commands about the online state: rebuild, receive, show."""

from __future__ import annotations

from typing import Annotated

import typer

from churnkit.cli.features import WHEN
from churnkit.cli.session import Folder, Json, Session
from churnkit.usecases.online.building import rebuild_online
from churnkit.usecases.online.reading import show_online
from churnkit.usecases.online.receiving import receive_file

app = typer.Typer(help="Features of the present, kept up to date by events.", no_args_is_help=True)


@app.command()
def rebuild(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """Make the states of all customers from the log."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project, session.progress() as progress:
        result = rebuild_online(project, progress=progress)
    session.show(result)


@app.command()
def receive(
    ctx: typer.Context,
    data: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines, one event each.")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Take events into the states: late ones, doubled ones, in any order."""
    Session.begin(ctx, folder, json).answer(receive_file, data)


@app.command()
def show(
    ctx: typer.Context,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER")],
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help=f"{WHEN} The present if not given."),
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """The features of one customer, from the online state."""
    Session.begin(ctx, folder, json).answer(show_online, customer, as_of=as_of)
