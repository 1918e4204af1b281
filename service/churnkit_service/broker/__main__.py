"""``python -m churnkit_service.broker`` is ``churnkit consume``, without the other commands."""

from __future__ import annotations

import typer

from churnkit.cli.running import run_app
from churnkit_service.commands import consume

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(consume)

if __name__ == "__main__":
    run_app(app)
