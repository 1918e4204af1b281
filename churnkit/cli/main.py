"""The command line: parse, call one use case, print."""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points

import typer
from rich.console import Console
from rich.text import Text

from churnkit.cli import customers, models, projects, trainings
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
for module in (projects, trainings, customers):
    module.register(app)

# Packages above this one, such as the service, bring their own commands.
for point in entry_points(group="churnkit.commands"):
    point.load()(app)

USER_ERROR = 2
INTERRUPTED = 130


@app.callback()
def options(ctx: typer.Context, folder: Folder = None, json: Json = False) -> None:
    """From a table of customers to churn scores that one can trust."""
    ctx.obj = Session.begin(ctx, folder, json)


def run() -> None:
    """Run the command line; what the user must mend exits with 2, Ctrl-C with 130."""
    # Before anything else: completion asks for the program's name.
    try:
        app()
    except Cancelled as error:
        _complain(error)
        sys.exit(INTERRUPTED)
    except ChurnkitError as error:
        _complain(error)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        _complain(Cancelled("stopped; nothing is half-written."))
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of a pipe has gone
        sys.stderr.close()
        sys.exit(1)


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
