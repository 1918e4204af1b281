"""``python -m churnkit_service`` is ``churnkit serve``, without what other commands import."""

from __future__ import annotations

import typer

from churnkit.cli.running import run_app
from churnkit_service.commands import serve

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(serve)

if __name__ == "__main__":
    run_app(app)
