"""Commands about features: suggest, list, build, show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.session import Folder, Json, Session
from churnkit.errors import SettingsInvalid
from churnkit.usecases.features import (
    building as feature_building,
)
from churnkit.usecases.features import (
    exporting as feature_exporting,
)
from churnkit.usecases.features import (
    feature_set as features,
)
from churnkit.usecases.features import (
    showing as feature_showing,
)

app = typer.Typer(
    help="What is computed for a customer at a moment: features.toml.", no_args_is_help=True
)

WHEN = "A date (that midnight in the project's zone), or a moment such as 2026-03-01T12:00+01:00."


@app.command()
def suggest(
    ctx: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Replace features.toml.")] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Propose about 40 features from what the log holds, and write features.toml."""
    Session.begin(ctx, folder, json).answer(features.suggest_features, force=force)


@app.command("list")
def list_(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """The features of features.toml, checked against the log."""
    Session.begin(ctx, folder, json).answer(features.list_features)


@app.command()
def build(
    ctx: typer.Context,
    as_of: Annotated[list[str], typer.Option("--as-of", metavar="DATE", help=f"{WHEN} Repeat it.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .parquet or .csv file.")] = Path(
        "features.parquet"
    ),
    customer: Annotated[
        list[str] | None, typer.Option(help="Only this customer; repeat it.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="The most memory to use, such as 2GB; the rest is on disk.")
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Compute the features of all customers at one or many dates."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project, session.progress() as progress:
        result = feature_building.build_features(
            project,
            as_of,
            output,
            customers=customer,
            memory_bytes=memory_size(memory),
            progress=progress,
        )
    session.show(result)


@app.command()
def show(
    ctx: typer.Context,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.")],
    as_of: Annotated[str, typer.Option("--as-of", metavar="DATE", help=WHEN)],
    feature: Annotated[list[str] | None, typer.Option(help="Only this one; repeat it.")] = None,
    facts: Annotated[int, typer.Option(min=0, help="Facts to show of each group.")] = 5,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Explain a customer's features at a date, down to the events that they came from."""
    Session.begin(ctx, folder, json).answer(
        feature_showing.show_features, customer, as_of, names=feature or (), at_most=facts
    )


@app.command()
def export(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Write the log as Parquet tables from which Spark builds the same features."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project, session.progress() as progress:
        result = feature_exporting.export_features(project, directory, progress=progress)
    session.show(result)


def memory_size(text: str | None) -> int | None:
    """An amount of memory such as ``2GB`` or ``500 MB``, in bytes.

    Raises
    ------
    SettingsInvalid : it is no amount, or less than DuckDB can work with
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(K|M|G|T)i?B?\s*", text, flags=re.IGNORECASE)
    power = {"K": 1, "M": 2, "G": 3, "T": 4}
    size = round(float(match[1]) * 1000 ** power[match[2].upper()]) if match else 0
    if size < 100_000_000:
        raise SettingsInvalid(
            f"'{text}' is no amount of memory that suffices.",
            fix="Write 500MB or 2GB; at least 100MB are needed.",
            option="--memory",
        )
    return size
