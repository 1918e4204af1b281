"""Commands about customers: score, explain, history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.features import WHEN
from churnkit.cli.session import Folder, Json, Session
from churnkit.usecases.scoring import (
    contact_list,
    explaining,
)
from churnkit.usecases.scoring import history as recorded
from churnkit.usecases.scoring import (
    verbs as scoring,
)

END = "The end of the log if not given."


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(score)
    app.command()(contacts)
    app.command()(explain)
    app.command()(history)


def score(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("-o", "--output", help="A .csv or .parquet file.")],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="INPUT",
            help="CSV, Parquet, Excel, or a database URL. Without it: what the project was made "
            "of, in a project of events its customers at --as-of.",
        ),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help=f"{WHEN} {END}")
    ] = None,
    reasons: Annotated[
        int | None,
        typer.Option(min=0, help="Reasons per customer; 3 up to 10,000 rows, else 0."),
    ] = None,
    record: Annotated[bool, typer.Option("--record", help="Keep them in the ledger.")] = False,
    version: Annotated[str | None, typer.Option(help="A model version or alias.")] = None,
    query: Annotated[str, typer.Option(help="SQL, when INPUT is a database URL.")] = "",
    sheet: Annotated[str, typer.Option(help="The sheet of an Excel file.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Say for each customer how probable it is that they leave, and why."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project, session.progress() as progress:
        result = scoring.score(
            project,
            data,
            output,
            reasons=reasons,
            record=record,
            version=version,
            as_of=as_of,
            query=query,
            sheet=sheet,
            progress=progress,
        )
    session.show(result)


def contacts(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("-o", "--output", help="A .csv or .parquet file.")],
    top: Annotated[int, typer.Option(min=1, help="So many, the riskiest first.")],
    scores: Annotated[
        Path | None,
        typer.Argument(metavar="SCORES", help="A file of scores; the console's latest if none."),
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Write the list of whom to contact: the riskiest of those who were scored."""
    Session.begin(ctx, folder, json).answer(
        contact_list.contact_list, output, customers=top, scores=scores
    )


def explain(
    ctx: typer.Context,
    customer: Annotated[str, typer.Option(help="The customer's id in the imported table.")],
    version: Annotated[str | None, typer.Option(help="A model version or alias.")] = None,
    reasons: Annotated[int | None, typer.Option(min=1, help="How many; all if not given.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help=f"{WHEN} {END}")
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Why a customer has this probability."""
    Session.begin(ctx, folder, json).answer(
        explaining.explain, customer, version=version, as_of=as_of, k=reasons
    )


def history(
    ctx: typer.Context,
    customer: Annotated[str | None, typer.Option(help="Only this customer.")] = None,
    version: Annotated[str | None, typer.Option(help="Only this model version.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """The recorded predictions, the newest first."""
    Session.begin(ctx, folder, json).answer(
        recorded.history, customer, version=version, limit=limit
    )
