"""Commands about the ledger's tables: schema, back."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from churnkit.cli.session import Folder, Json, Session
from churnkit.usecases.operating import ledger_schema
from churnkit.usecases.operating.online import open_for_service

app = typer.Typer(
    help="The version of the ledger's tables, before and after an upgrade; on DATABASE_URL, else "
    "on the project's own ledger.",
    no_args_is_help=True,
)


@app.command()
def schema(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """Which version the tables are of; nothing is changed."""
    session = Session.begin(ctx, folder, json)
    with open_for_service(session.folder, os.environ.get("DATABASE_URL", "")) as project:
        session.show(ledger_schema.ledger_schema(project))


@app.command()
def back(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Bring the tables one version back, before an older churnkit is installed again."""
    session = Session.begin(ctx, folder, json)
    if not yes:
        typer.confirm("Have all replicas stopped, and is there a backup?", abort=True, err=True)
    with open_for_service(session.folder, os.environ.get("DATABASE_URL", "")) as project:
        session.show(ledger_schema.ledger_back(project))
