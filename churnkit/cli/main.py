"""The command line: parse, call one use case, print."""

from __future__ import annotations

import json
import sys

import typer
from rich.console import Console
from rich.text import Text

from churnkit.cli import (
    customers,
    events,
    features,
    models,
    online,
    projects,
    simulations,
    trainings,
)
from churnkit.cli.session import Folder, Json, Session
from churnkit.errors import Cancelled, ChurnkitError

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
for module in (projects, events, trainings, customers, simulations):
    module.register(app)

USER_ERROR = 2
INTERRUPTED = 130


class UsageInvalid(ChurnkitError):
    """A command, an option or a value that there is not."""


@app.callback()
def options(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """From a table of customers to churn scores that one can trust."""
    ctx.obj = Session.begin(ctx, folder, json)


def run() -> None:
    """Run the command line; what the user must mend exits with 2, Ctrl-C with 130."""
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code)
    except Cancelled as error:
        _complain(error)
        sys.exit(INTERRUPTED)
    except ChurnkitError as error:
        _complain(error)
        sys.exit(USER_ERROR)
    except typer.TyperException as error:
        usage = _usage(error)
        if usage is not None:
            _complain(usage)
        sys.exit(USER_ERROR)
    except (KeyboardInterrupt, typer.Abort):  # the latter while a question is open
        _complain(Cancelled("stopped; nothing is half-written."))
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe has gone
        sys.stderr.close()
        sys.exit(1)


def _usage(error: typer.TyperException) -> UsageInvalid | None:
    """What typer says of the words that were given; None where it has shown the help."""
    context = getattr(error, "ctx", None)
    what = error.format_message().strip()
    if not what:
        return None
    command = context.command_path if context is not None else "churnkit"
    return UsageInvalid(what, fix=f"'{command} --help' shows what there is.")


def _complain(error: ChurnkitError) -> None:
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({"error": error.to_json()}, ensure_ascii=False) + "\n")
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    places = ", ".join(f"{name} {value}" for name, value in error.where.items())
    text = Text("Error: ", style="bold red")
    text.append(error.what, style="not bold default")
    console.print(text)
    if places:
        console.print(Text(f"  where: {places}"))
    if error.fix:
        console.print(Text(f"  what to do: {error.fix}"))
