"""``churnkit serve`` and ``churnkit keys``, found by the command line as an entry point.

Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from churnkit.cli.session import Folder, Json, Session
from churnkit.errors import MissingDependency

keys = typer.Typer(help="API keys of the service.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(serve)
    app.command()(consume)
    app.add_typer(keys, name="keys")


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="0: a free one.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.")] = None,
    dev: Annotated[
        bool, typer.Option("--dev", help="On this machine no API key is needed.")
    ] = False,
    local_postgres: Annotated[
        bool, typer.Option("--local-postgres", help="On a PostgreSQL of its own, for a first try.")
    ] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Make a key and print a request that works.")
    ] = False,
    folder: Folder = None,
) -> None:
    """Answer over HTTP: on DATABASE_URL (PostgreSQL), else on the project's own ledger."""
    session = Session.begin(ctx, folder, False)
    try:
        from churnkit_service.leaving import leave
        from churnkit_service.process import run_service
        from churnkit_service.server import serve as _  # noqa: F401 - what it needs is there
    except ImportError as error:
        raise MissingDependency(
            f"the service needs {error.name}.", fix="Install 'churnkit[service]'."
        ) from error

    code = run_service(
        session.folder,
        database_url=os.environ.get("DATABASE_URL", ""),
        host=host,
        port=port,
        workers=workers,
        development=dev,
        local_postgres=local_postgres,
        example=example,
        tell=lambda text: session.err.print(text, markup=False, soft_wrap=True),
    )
    leave(code)


def consume(ctx: typer.Context, folder: Folder = None) -> None:
    """Take events and requests from a message broker: on DATABASE_URL, else on the ledger."""
    session = Session.begin(ctx, folder, False)
    try:
        from churnkit_service.broker.consume import run_consumer
    except ImportError as error:
        raise MissingDependency(
            f"the consumer needs {error.name}.", fix="Install 'churnkit[service,broker]'."
        ) from error

    run_consumer(
        session.folder,
        database_url=os.environ.get("DATABASE_URL", ""),
        tell=lambda text: session.err.print(text, markup=False, soft_wrap=True),
    )


@keys.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Who uses it.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="score, read, operate or admin; several may be given.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Valid for so many days.")] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Make a key; it is shown once."""
    from churnkit.usecases.operating.keys import create_key, scopes_of
    from churnkit.usecases.operating.online import open_for_service

    session = Session.begin(ctx, folder, json)
    with open_for_service(session.folder, os.environ.get("DATABASE_URL", "")) as project:
        scopes = scopes_of(scope or ["score", "read"])
        session.show(create_key(project, name, scopes, valid_days=days))


@keys.command("list")
def list_(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """All keys, without their secrets."""
    from churnkit.usecases.operating.keys import list_keys
    from churnkit.usecases.operating.online import open_for_service

    session = Session.begin(ctx, folder, json)
    with open_for_service(session.folder, os.environ.get("DATABASE_URL", "")) as project:
        session.show(list_keys(project))


@keys.command()
def revoke(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="The key's id.")],
    folder: Folder = None,
) -> None:
    """Let a key open nothing any more."""
    from churnkit.usecases.operating import keys as usecases
    from churnkit.usecases.operating.online import open_for_service

    session = Session.begin(ctx, folder, False)
    with open_for_service(session.folder, os.environ.get("DATABASE_URL", "")) as project:
        usecases.revoke(project, key)
        seconds = project.settings.service.keys_seconds
    session.err.print(f"Revoked; running services notice within {seconds:g} s.", markup=False)
