"""Commands about what became true and what was done: outcomes, treatments, hold-outs."""

from __future__ import annotations

from typing import Annotated

import typer

from churnkit.cli.features import WHEN
from churnkit.cli.session import Folder, Json, Session
from churnkit.usecases.outcomes import holdouts, treatments
from churnkit.usecases.outcomes import verbs as usecases

outcomes_app = typer.Typer(help="What became true of the customers.", no_args_is_help=True)
treatments_app = typer.Typer(help="Who got which offer.", no_args_is_help=True)
holdout_app = typer.Typer(help="Customers who are never treated.", no_args_is_help=True)

_SOURCE = "CSV, Parquet, Excel, a folder, a pattern, or a database URL."
Query = Annotated[str, typer.Option(help="SQL, when FILE is a database URL.")]
Customer = Annotated[str | None, typer.Option(help="Only this customer.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]


@outcomes_app.command("import")
def import_outcomes(
    ctx: typer.Context,
    data: Annotated[str | None, typer.Argument(metavar="FILE", help=_SOURCE)] = None,
    from_log: Annotated[
        bool, typer.Option("--from-log", help="Derive them from the log of events.")
    ] = False,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help="The date of all rows' predictions."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Until when those who did not leave were watched."),
    ] = None,
    query: Query = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Take outcomes in; what is recorded already is not recorded twice."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project, session.progress() as progress:
        result = usecases.import_outcomes(
            project,
            data,
            from_log=from_log,
            query=query,
            as_of=as_of,
            until=until,
            progress=progress,
        )
    session.show(result)


@outcomes_app.command("status")
def outcome_status(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """How many predictions have matured, and which of them lack an outcome."""
    Session.begin(ctx, folder, json).answer(usecases.outcome_status)


@outcomes_app.command("show")
def show_outcomes(
    ctx: typer.Context,
    customer: Customer = None,
    limit: Limit = 100,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Recorded outcomes, the last recorded first."""
    Session.begin(ctx, folder, json).answer(usecases.show_outcomes, customer, limit=limit)


@treatments_app.command("import")
def import_treatments(
    ctx: typer.Context,
    data: Annotated[str, typer.Argument(metavar="FILE", help=_SOURCE)],
    query: Query = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Take treatments in; what is recorded already is not recorded twice."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project, session.progress() as progress:
        result = treatments.import_treatments(project, data, query=query, progress=progress)
    session.show(result)


@treatments_app.command("show")
def show_treatments(
    ctx: typer.Context,
    customer: Customer = None,
    campaign: Annotated[str | None, typer.Option(help="Only this campaign.")] = None,
    limit: Limit = 100,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Recorded treatments, the latest first."""
    Session.begin(ctx, folder, json).answer(
        treatments.show_treatments, customer, campaign=campaign, limit=limit
    )


@holdout_app.command("set")
def set_holdout(
    ctx: typer.Context,
    share: Annotated[float, typer.Option(help="Share of all customers, such as 0.1.")],
    campaign: Annotated[
        str, typer.Option(help="Only its treatments are kept off; all if not given.")
    ] = "",
    since: Annotated[str | None, typer.Option(metavar="DATE", help=f"{WHEN} Not past.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help=WHEN)] = None,
    salt: Annotated[str, typer.Option(help="Decides who is a member; random if not given.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Fix a random hold-out, before customers are scored."""
    Session.begin(ctx, folder, json).answer(
        holdouts.set_holdout, share, campaign=campaign, since=since, until=until, salt=salt
    )


@holdout_app.command("end")
def end_holdout(
    ctx: typer.Context,
    holdout: Annotated[str, typer.Argument(metavar="ID")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Let a hold-out end now."""
    Session.begin(ctx, folder, json).answer(holdouts.end_holdout, holdout)


@holdout_app.command("show")
def show_holdouts(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """All hold-outs, and which of their members were treated all the same."""
    Session.begin(ctx, folder, json).answer(holdouts.show_holdouts)
