"""The command line: parse, call one use case, print."""

from __future__ import annotations

from importlib.metadata import entry_points

import typer

from churnkit.cli import (
    customers,
    erasure,
    events,
    experiments,
    features,
    ledger,
    models,
    monitoring,
    online,
    outcomes,
    projects,
    rollouts,
    simulations,
    trainings,
)
from churnkit.cli.running import run_app
from churnkit.cli.session import Folder, Json, Session

app = typer.Typer(
    name="churnkit",
    help="From a table of customers to churn scores that one can trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(models.app, name="models")
app.add_typer(features.app, name="features")
app.add_typer(online.app, name="online")
app.add_typer(rollouts.app, name="rollout")
app.add_typer(experiments.app, name="experiment")
app.add_typer(ledger.app, name="ledger")
app.add_typer(outcomes.outcomes_app, name="outcomes")
app.add_typer(outcomes.treatments_app, name="treatments")
app.add_typer(outcomes.holdout_app, name="holdout")
for module in (projects, events, trainings, customers, monitoring, erasure, simulations):
    module.register(app)

# Packages above this one, such as the service, bring their own commands.
for point in entry_points(group="churnkit.commands"):
    point.load()(app)


@app.callback()
def options(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """From a table of customers to churn scores that one can trust."""
    ctx.obj = Session.begin(ctx, folder, json)


def run() -> None:
    """Run the command line."""
    run_app(app)
