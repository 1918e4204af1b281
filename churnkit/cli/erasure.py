"""Commands that forget: erase, retention."""

from __future__ import annotations

from typing import Annotated

import typer

from churnkit.cli.session import Folder, Json, Session
from churnkit.usecases.erasing import retention
from churnkit.usecases.erasing import verbs as erasing

_WHY = "asked to be forgotten"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(erase)
    app.command("retention")(retain)


def erase(
    ctx: typer.Context,
    customer: Annotated[str, typer.Option(help="The customer's id.")],
    why: Annotated[str, typer.Option(help="For the journal; without the id.")] = _WHY,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="PostgreSQL: write the tables anew; locks them.")
    ] = False,
    allow_again: Annotated[
        bool, typer.Option("--allow-again", help="He came back: take him in again from now on.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Remove a customer from every store, and leave him out of later imports."""
    session = Session.begin(ctx, folder, json)
    if allow_again:
        reason = "came back" if why == _WHY else why
        with session.project() as project:
            allowed = erasing.allow_again(project, customer, why=reason)
        session.show(allowed)
        return
    if not yes:
        typer.confirm("This cannot be undone. Erase this customer?", abort=True, err=True)
    with session.project() as project, session.progress() as progress:
        result = erasing.erase(project, customer, why=why, rewrite=rewrite, progress=progress)
    session.show(result)


def retain(
    ctx: typer.Context,
    apply: Annotated[
        bool, typer.Option("--apply/--dry-run", help="Delete, or only count.")
    ] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    r"""Delete what is older than \[retention] in churnkit.toml allows."""
    Session.begin(ctx, folder, json).answer(retention.retain, apply=apply)
