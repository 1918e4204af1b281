"""Running a command line: what its user must mend, and how it ends."""

from __future__ import annotations

import json
import sys

import typer
from rich.console import Console
from rich.text import Text

from churnkit.errors import Cancelled, ChurnkitError

USER_ERROR = 2
INTERRUPTED = 130


def run_app(app: typer.Typer) -> None:
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
