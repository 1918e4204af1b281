"""Commands about training: train, evaluate, retrain.

What trains brings scikit-learn and pandas, which take longer to load than most commands to run: it
is imported by the commands that need it.
"""

from __future__ import annotations

from typing import Annotated

import typer

from churnkit.cli.session import Folder, Json, Session, seconds
from churnkit.usecases.result import Result
from churnkit.usecases.training import evaluating


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(train)
    app.command()(evaluate)
    app.command()(retrain)


def train(
    ctx: typer.Context,
    budget: Annotated[
        str | None, typer.Option(help="Time for the search: 120s, 2m.", metavar="TIME")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of all that is random.")] = None,
    repeat: Annotated[
        str | None, typer.Option(metavar="RUN", help="Fit a recorded run again and compare.")
    ] = None,
    why: Annotated[str, typer.Option(help="A sentence for the journal.")] = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Search, calibrate and evaluate models; admit the best one."""
    from churnkit.usecases.training import verbs as training

    session = Session.begin(ctx, folder, json)
    result: Result
    with session.project() as project, session.progress() as progress:
        if repeat is None:
            result = training.train(
                project, budget_seconds=seconds(budget), seed=seed, why=why, progress=progress
            )
        else:
            result = training.repeat(project, repeat, progress=progress)
    session.show(result)
    if isinstance(result, training.Repeated) and not result.identical:
        raise typer.Exit(2)


def evaluate(
    ctx: typer.Context,
    version: Annotated[str | None, typer.Option(help="A model version or alias.")] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """How good a model is on customers it never saw, with intervals."""
    Session.begin(ctx, folder, json).answer(evaluating.evaluate, version)


def retrain(
    ctx: typer.Context,
    if_needed: Annotated[
        bool,
        typer.Option("--if-needed", help=r"Only when \[retraining] gives a reason; for cron."),
    ] = False,
    budget: Annotated[
        str | None, typer.Option(help="Time for the search: 120s, 2m.", metavar="TIME")
    ] = None,
    why: Annotated[str, typer.Option(help="A reason, for the journal.")] = "",
    status: Annotated[
        bool, typer.Option("--status", help="What was done before, and whether one is due.")
    ] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Make a new model, compare it with the champion, and start a rollout in shadow."""
    from churnkit.usecases.training import retraining

    session = Session.begin(ctx, folder, json)
    result: Result
    with session.project() as project, session.progress() as progress:
        if status:
            result = retraining.retrainings(project)
        else:
            result = retraining.retrain(
                project,
                if_needed=if_needed,
                budget_seconds=seconds(budget),
                why=why,
                progress=progress,
            )
    session.show(result)
