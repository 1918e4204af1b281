"""Commands about model versions: list, show, promote, rollback, history, verify, head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.session import Folder, Json, Session
from churnkit.usecases.models import verbs as registry

app = typer.Typer(help="Who serves, who served, who decided.", no_args_is_help=True)

Version = Annotated[str, typer.Argument(metavar="VERSION", help="Such as v2, or an alias.")]
Why = Annotated[str, typer.Option(help="A sentence for the journal.")]


@app.command("list")
def list_(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """All model versions, and who holds which alias."""
    Session.begin(ctx, folder, json).answer(registry.list_models)


@app.command()
def show(
    ctx: typer.Context,
    version: Annotated[str, typer.Argument(metavar="VERSION")] = "champion",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """One version and the run that made it."""
    Session.begin(ctx, folder, json).answer(registry.show_model, version)


@app.command()
def promote(
    ctx: typer.Context, version: Version, why: Why = "", folder: Folder = None, json: Json = False
) -> None:
    """Let a version serve as the champion."""
    Session.begin(ctx, folder, json).answer(registry.promote, version, why=why)


@app.command()
def rollback(ctx: typer.Context, why: Why = "", folder: Folder = None, json: Json = False) -> None:
    """Let the champion before this one serve again."""
    Session.begin(ctx, folder, json).answer(registry.rollback, why=why)


@app.command()
def history(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """Every change of who serves: who, when, why."""
    Session.begin(ctx, folder, json).answer(registry.journal)


@app.command()
def verify(
    ctx: typer.Context,
    head: Annotated[
        Path | None, typer.Option(help="A signed head that was exported earlier.")
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Check every file of every version, and the journal; says what it could not check."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project:
        result = registry.verify_models(project, head)
    session.show(result)
    if not result.ok:
        raise typer.Exit(2)


@app.command()
def head(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Export the journal's signed head; keep it where the database's owner cannot write."""
    Session.begin(ctx, folder, json).answer(registry.export_head, output)
