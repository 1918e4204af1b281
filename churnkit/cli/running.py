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


class UsageInvalid(ChurnkitError):
    """A command, an option or a value that there is not."""


def run_app(app: typer.Typer) -> None:
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
