"""Commands about experiments (A/B): whether an offer, or another model, does better."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.session import Folder, Json, Session
from churnkit.usecases.experiments import assigning as experiment_assigning
from churnkit.usecases.experiments import verbs as experiments

app = typer.Typer(
    help="A/B: whether an offer, or another model, does better; with bounds that always hold.",
    no_args_is_help=True,
)

Name = Annotated[
    str | None,
    typer.Argument(metavar="EXPERIMENT", help="Such as e1; the one that runs if not given."),
]
PlanFile = Annotated[
    Path, typer.Argument(metavar="PLAN", help=r"A TOML file: \[\[arms]], outcomes.")
]


@app.command()
def start(
    ctx: typer.Context,
    plan: PlanFile,
    why: Annotated[str, typer.Option(help="A sentence for the history.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Fix a plan; from now on customers may enter."""
    Session.begin(ctx, folder, json).answer(experiments.start_experiment, plan, why=why)


@app.command("list")
def list_(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """All experiments."""
    Session.begin(ctx, folder, json).answer(experiments.experiments)


@app.command()
def status(
    ctx: typer.Context, experiment: Name = None, folder: Folder = None, json: Json = False
) -> None:
    """Where it stands: customers, differences with bounds, time to churn."""
    Session.begin(ctx, folder, json).answer(experiments.experiment_status, experiment)


@app.command()
def assign(
    ctx: typer.Context,
    customers: Annotated[
        str, typer.Argument(metavar="CUSTOMERS", help="CSV, Parquet, Excel, or a database URL.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .csv or .parquet file.")],
    experiment: Annotated[
        str | None, typer.Option(help="Such as e1; the one that runs if not given.")
    ] = None,
    query: Annotated[str, typer.Option(help="SQL, when CUSTOMERS is a database URL.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Draw customers into the arms, and write who is to get what."""
    Session.begin(ctx, folder, json).answer(
        experiment_assigning.assign_experiment, experiment, customers, output=output, query=query
    )


@app.command()
def stop(
    ctx: typer.Context,
    why: Annotated[str, typer.Option(help="A sentence for the history.")],
    experiment: Name = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Let nobody enter any more; who is in it is still followed."""
    Session.begin(ctx, folder, json).answer(experiments.stop_experiment, experiment, why)


@app.command()
def history(
    ctx: typer.Context, experiment: Name = None, folder: Folder = None, json: Json = False
) -> None:
    """What was done with it: who, when, why."""
    Session.begin(ctx, folder, json).answer(experiments.experiment_history, experiment)


@app.command()
def plan(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="PLAN", help="A TOML file; two even arms without it.")
    ] = None,
    effect: Annotated[
        float | None, typer.Option(help="The gain to find, such as 0.02; the plan's if not given.")
    ] = None,
    retention: Annotated[
        float | None, typer.Option(help="Share who stay; as matured if not given.")
    ] = None,
    power: Annotated[float, typer.Option(help="Probability of finding it.")] = 0.8,
    correlation: Annotated[
        float | None,
        typer.Option(help="Of churn score and outcome, for CUPED; as matured if not given."),
    ] = None,
    per_day: Annotated[
        float | None, typer.Option(help="Customers who enter a day; as lately if not given.")
    ] = None,
    simulations: Annotated[
        int, typer.Option(min=1, help="Simulated experiments for each sequential size.")
    ] = 2_000,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """How many customers, and how long, it takes: with one look, and looked at any time."""
    Session.begin(ctx, folder, json).answer(
        experiments.plan_experiment,
        file,
        effect=effect,
        retention=retention,
        power=power,
        correlation=correlation,
        customers_per_day=per_day,
        simulations=simulations,
    )
