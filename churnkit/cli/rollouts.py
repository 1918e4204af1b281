"""Commands about rollouts: whether a new model may take over."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.session import Folder, Json, Session
from churnkit.usecases.rollouts import (
    replaying as rollout_replaying,
)
from churnkit.usecases.rollouts import (
    start as rollout_start,
)
from churnkit.usecases.rollouts import (
    verbs as rollouts,
)
from churnkit.usecases.rollouts.overrides import parse_overrides

app = typer.Typer(
    help="Whether a new model may take over: in shadow, then for a few, then for all.",
    no_args_is_help=True,
)

Name = Annotated[
    str | None,
    typer.Argument(metavar="ROLLOUT", help="Such as r1; the one that runs if not given."),
]
Why = Annotated[str, typer.Option(help="A sentence for the journal.")]
Revision = Annotated[
    int | None, typer.Option(min=1, help="Refuse if it moved on since this revision.")
]


@app.command()
def start(
    ctx: typer.Context,
    challenger: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="The challenger if not given.")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(help=r"A TOML file with what differs from \[rollout].")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option(metavar="CUSTOMER=ARM", help="Give a customer to an arm; repeatable."),
    ] = None,
    overrides: Annotated[
        Path | None, typer.Option(help="A CSV with the columns customer_id and arm.")
    ] = None,
    customers: Annotated[
        int | None,
        typer.Option(min=1, help="Size of the base; as in the last 30 days if not given."),
    ] = None,
    per_day: Annotated[
        float | None, typer.Option(min=0, help="Predictions a day; as lately if not given.")
    ] = None,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="The number of the attempt that is meant.")
    ] = None,
    why: Why = "",
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Let a challenger prove itself, beginning in shadow; says when a verdict can be expected."""
    Session.begin(ctx, folder, json).answer(
        rollout_start.start_rollout,
        challenger,
        plan=plan,
        overrides=parse_overrides(override or (), overrides),
        customers=customers,
        predictions_per_day=per_day,
        attempt=attempt,
        why=why,
    )


@app.command("list")
def list_(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """All rollouts."""
    Session.begin(ctx, folder, json).answer(rollouts.list_rollouts)


@app.command()
def status(
    ctx: typer.Context, rollout: Name = None, folder: Folder = None, json: Json = False
) -> None:
    """Where it stands: stage, evidence with bounds, what is still needed."""
    Session.begin(ctx, folder, json).answer(rollouts.rollout_status, rollout)


@app.command()
def advance(
    ctx: typer.Context, rollout: Name = None, folder: Folder = None, json: Json = False
) -> None:
    """Take in what matured, decide, and do it: one step at most. For a person or cron."""
    Session.begin(ctx, folder, json).answer(rollouts.advance_rollout, rollout)


@app.command()
def pause(
    ctx: typer.Context,
    why: Why,
    rollout: Name = None,
    revision: Revision = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Keep everything as it is until somebody resumes."""
    Session.begin(ctx, folder, json).answer(
        rollouts.pause_rollout, rollout, why=why, expected_revision=revision
    )


@app.command()
def resume(
    ctx: typer.Context,
    why: Why,
    rollout: Name = None,
    revision: Revision = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Go on after a pause."""
    Session.begin(ctx, folder, json).answer(
        rollouts.resume_rollout, rollout, why=why, expected_revision=revision
    )


@app.command()
def promote(
    ctx: typer.Context,
    why: Why,
    rollout: Name = None,
    revision: Revision = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Let the challenger serve everybody, whatever is proven."""
    Session.begin(ctx, folder, json).answer(
        rollouts.promote_rollout, rollout, why=why, expected_revision=revision
    )


@app.command()
def abort(
    ctx: typer.Context,
    why: Why,
    rollout: Name = None,
    revision: Revision = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Back to the champion alone, for good; a further attempt is a new rollout."""
    Session.begin(ctx, folder, json).answer(
        rollouts.abort_rollout, rollout, why=why, expected_revision=revision
    )


@app.command()
def replay(
    ctx: typer.Context,
    rollout: Name = None,
    plan: Annotated[
        Path | None, typer.Option(help="A TOML file; the rollout's own plan if not given.")
    ] = None,
    every: Annotated[
        float, typer.Option(metavar="DAYS", help="How often the controller looks.")
    ] = 1.0,
    plot: Annotated[Path | None, typer.Option(help="A .png or .svg file to draw.")] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """What another plan would have decided when; nothing is changed."""
    Session.begin(ctx, folder, json).answer(
        rollout_replaying.replay_rollout, rollout, plan=plan, every_days=every, plot=plot
    )


@app.command()
def history(
    ctx: typer.Context,
    rollout: Name = None,
    all_looks: Annotated[
        bool, typer.Option("--all", help="Also what was seen while waiting.")
    ] = False,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """What was done with it: who, when, why."""
    Session.begin(ctx, folder, json).answer(rollouts.rollout_history, rollout, all_looks=all_looks)
