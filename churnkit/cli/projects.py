"""Commands about a project: init, import, profile, report, demo, doctor, mlflow."""

from __future__ import annotations

import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.text import Text

from churnkit.cli.session import Folder, Json, Session, seconds
from churnkit.domain.progress import Cancel
from churnkit.errors import Ambiguous, SettingsInvalid
from churnkit.usecases.models import reports
from churnkit.usecases.operating import doctor as health
from churnkit.usecases.projects import (
    create,
    create_events,
    event_importing,
    importing,
    profiling,
)
from churnkit.usecases.projects.log_settings import LogOptions
from churnkit.usecases.result import Result
from churnkit.usecases.training import mlflow_pages


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(init)
    app.command("import")(import_)
    app.command()(profile)
    app.command()(report)
    app.command()(demo)
    app.command()(doctor)
    app.command()(mlflow)


def init(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The new project's folder.")],
    data: Annotated[
        list[str],
        typer.Option(
            help="A CSV, Parquet or Excel file, or a database URL with --query; for events also "
            "a glob in quotes or a folder, and several times."
        ),
    ],
    kind: Annotated[
        Literal["auto", "events", "snapshot"],
        typer.Option(help="A log of events, or one row per customer."),
    ] = "auto",
    target: Annotated[str | None, typer.Option(help="The column that says who left.")] = None,
    positive: Annotated[str | None, typer.Option(help="Its value that means 'left'.")] = None,
    id: Annotated[str | None, typer.Option(help="The column that names the customer.")] = None,
    query: Annotated[str, typer.Option(help="SQL, when --data is a database URL.")] = "",
    sheet: Annotated[str, typer.Option(help="The sheet of an Excel file.")] = "",
    time: Annotated[str, typer.Option(help="Events: when it happened.")] = "",
    type: Annotated[str, typer.Option(help="Events: the column that says what.")] = "",
    known_at: Annotated[str, typer.Option(help="Events: when it became known.")] = "",
    value: Annotated[
        list[str] | None, typer.Option(help="Events: a number column to keep; repeat it.")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Events: a text column to keep; repeat it.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="Events: a column that tells events apart; repeat it. Default: all."),
    ] = None,
    time_format: Annotated[
        str, typer.Option(help="Events: iso, epoch_s, epoch_ms, yyyymmdd, dd/mm/yyyy, ….")
    ] = "",
    zone: Annotated[str, typer.Option(help="Events: the IANA zone in which days begin.")] = "UTC",
    source_zone: Annotated[
        str, typer.Option(help="Events: the zone of times that name none; default: --zone.")
    ] = "",
    attributes: Annotated[
        str, typer.Option(help="Events: files about the customers, or a database URL.")
    ] = "",
    attributes_query: Annotated[
        str, typer.Option(help="SQL, when --attributes is a database URL.")
    ] = "",
    subscriptions: Annotated[
        str, typer.Option(help="Events: files of paid periods, or a database URL.")
    ] = "",
    subscriptions_query: Annotated[
        str, typer.Option(help="SQL, when --subscriptions is a database URL.")
    ] = "",
    activity: Annotated[
        list[str] | None,
        typer.Option(help="Churn: an event type that is activity; repeat it. Default: all."),
    ] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Churn: days of the window.")] = None,
    lead: Annotated[int, typer.Option(min=0, help="Churn: days before the window.")] = 0,
    grace: Annotated[int, typer.Option(min=0, help="Churn: days for a renewal.")] = 0,
    eligible: Annotated[
        int | None, typer.Option(min=1, help="Churn: only who was active within so many days.")
    ] = None,
    arrival_delay: Annotated[
        float, typer.Option(min=0, help="Events: days until a fact is known.")
    ] = 0.0,
    json: Json = False,
) -> None:
    """Create a project from a table of customers or a log of events.

    Each guess is printed with its ground.
    """
    session = Session.begin(ctx, None, json)
    choose = partial(_ask, session) if sys.stdin.isatty() and not session.json else None
    ground = ""
    if kind == "auto":
        named = target is not None or positive is not None
        kind, ground = ("snapshot", "") if named or sheet else create_events.recognise_data(
            data, query=query, choose=choose
        )  # fmt: skip
    result: Result
    with session.progress() as progress:
        if kind == "events":
            options = LogOptions(
                customer_id=id or "", time=time, type=type, known_at=known_at,
                values=tuple(value or ()), categories=tuple(category or ()),
                key=tuple(key or ()), time_format=time_format, zone=zone,
                source_zone=source_zone, query=query, attributes=attributes,
                attributes_query=attributes_query, subscriptions=subscriptions,
                subscriptions_query=subscriptions_query, activity=tuple(activity or ()),
                horizon_days=horizon, lead_days=lead, grace_days=grace,
                eligible_days=eligible, arrival_delay_days=arrival_delay,
            )  # fmt: skip
            result = create_events.create_event_project(
                directory, data, options, ground=ground, choose=choose, progress=progress
            )
        else:
            if len(data) > 1:
                raise SettingsInvalid(
                    "a snapshot is one file.",
                    fix="Give --data once, or say --kind events.",
                    option="--data",
                )
            result = create.create_project(
                directory,
                data[0],
                target=target,
                positive=positive,
                id_column=id,
                query=query,
                sheet=sheet,
                choose=choose,
                progress=progress,
            )
    session.show(result)
    if not session.json:
        following = "labels" if kind == "events" else "profile"
        session.err.print(f"Next: churnkit -C {directory} {following}", markup=False)


def _ask(session: Session, error: Ambiguous) -> str:
    choices = error.options
    with session.asking():
        session.err.print(Text(f"\n{error.what}"))
        for number, choice in enumerate(choices, 1):
            session.err.print(Text(f"  {number}  {choice}"))
        while True:
            answer = typer.prompt("Which one (number or name)", err=True).strip()
            if answer in choices:
                return str(answer)
            if answer.isdigit() and 1 <= int(answer) <= len(choices):
                return choices[int(answer) - 1]


def import_(
    ctx: typer.Context,
    data: Annotated[
        list[str] | None,
        typer.Argument(help="The newer files; without them, the project's own again."),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Only compare.")] = False,
    into: Annotated[
        Literal["events", "attributes", "subscriptions"],
        typer.Option(help="Project of events: what the files hold."),
    ] = "events",
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Project of events: build the log from nothing.")
    ] = False,
    query: Annotated[str, typer.Option(help="SQL, when the data is a database URL.")] = "",
    sheet: Annotated[str, typer.Option(help="The sheet of an Excel file.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Load newer data: events are added, each once; a table of customers is replaced."""
    session = Session.begin(ctx, folder, json)
    result: Result
    with session.project() as project, session.progress() as progress:
        if project.settings.events is not None:
            result = event_importing.import_facts(
                project, data or None, into=into, query=query, rebuild=rebuild,
                compare_only=compare, progress=progress,
            )  # fmt: skip
        else:
            if data is not None and len(data) > 1:
                raise SettingsInvalid("this project is built from one file.", fix="Name one.")
            result = importing.import_data(
                project, data[0] if data else None, query=query, sheet=sheet,
                compare_only=compare, progress=progress,
            )  # fmt: skip
    session.show(result)


def profile(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """Figures of every column, duplicates, and columns that know the answer."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project, session.progress() as progress:
        result = profiling.profile(project, progress=progress)
    session.show(result)


def report(
    ctx: typer.Context,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The HTML file.")] = None,
    version: Annotated[str | None, typer.Option(help="A model version or alias.")] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Also a PDF for management, beside it.")
    ] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Write the report of a model: one HTML file that needs nothing else."""
    session = Session.begin(ctx, folder, json)
    with session.project() as project, session.progress() as progress:
        result = reports.write_report(project, output, version=version, pdf=pdf, progress=progress)
    session.show(result)


def demo(
    ctx: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR")] = Path("churnkit-demo"),
    budget: Annotated[str, typer.Option(help="For the search of models.")] = "40s",
    json: Json = False,
) -> None:
    """The main job on the shipped Telco data: from a CSV to scores with reasons and a report."""
    # Loads what trains: no other command of this module waits for that.
    from churnkit.usecases.demonstration import verbs as demonstration

    session = Session.begin(ctx, None, json)
    console = Console(highlight=False)

    def tell(heading: str, result: Result | None) -> None:
        if not session.json:
            console.print(Text(f"\n{heading}", style="bold"))
            if result is not None:
                console.print(result)

    with session.progress() as progress:
        made = demonstration.demo(
            directory, budget_seconds=seconds(budget) or 40.0, tell=tell, progress=progress
        )
    if not session.json:
        console.print()
    session.show(made)


def doctor(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """Look at what churnkit needs, and say what is wrong."""
    session = Session.begin(ctx, folder, json)
    result = health.doctor(session.folder)
    session.show(result)
    if not result.ok:
        raise typer.Exit(2)


def mlflow(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port on this machine.")] = 5000,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open them in the browser, too.")
    ] = True,
    folder: Folder = None,
) -> None:
    """Open MLflow's own pages on this project's runs; Ctrl-C ends them."""
    session = Session.begin(ctx, folder, False)
    cancel = Cancel()

    def ready(address: str) -> None:
        session.err.print(f"MLflow is at {address} (Ctrl-C ends it)")
        if browser and session.err.is_terminal:
            typer.launch(address)

    session.err.print("Starting MLflow (some seconds) ...")
    before = [
        (sign, signal.signal(sign, lambda *_: cancel.cancel()))
        for sign in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        with session.project() as project:
            mlflow_pages.serve_mlflow(project, port, ready=ready, cancel=cancel)
    finally:
        for sign, handler in before:
            signal.signal(sign, handler)
