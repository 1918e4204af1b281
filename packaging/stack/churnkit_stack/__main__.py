"""``make stack``: start everything, say where it is, and end it with Ctrl-C."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import threading
from pathlib import Path

from churnkit.errors import ChurnkitError
from churnkit_stack.finding import ProgramMissing
from churnkit_stack.part import NotStarted
from churnkit_stack.stack import Stack

_GRAFANA = "not here (no Debian package): docker-compose.yml has it, with these dashboards"


def main() -> int:
    """Run until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make stack", description=__doc__)
    parser.add_argument("project", type=Path, nargs="?", default=Path("demo"))
    parser.add_argument("--home", type=Path, default=Path("build/stack"), help="logs and data")
    parser.add_argument("--port", type=int, default=8080, help="of the proxy, if it is free")
    parser.add_argument("--without-mlflow", action="store_true", help="do not serve its pages")
    asked = parser.parse_args()
    # Ctrl-C while it starts ends it as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        stack = Stack(
            asked.project, asked.home, port=asked.port, mlflow=not asked.without_mlflow, tell=_say
        )
        try:
            stack.start()
            _say(describe(stack))
            threading.Event().wait()
        except KeyboardInterrupt:
            _say("Ending …")
        finally:
            # What was begun to end is ended, however often somebody asks.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            stack.stop()
    except (ChurnkitError, NotStarted, ProgramMissing) as error:
        _say(str(error))
        return 2
    _say("Everything has ended.")
    return 0


def describe(stack: Stack) -> str:
    """What runs where, a key, and a request that works."""
    token = stack.key("stack", ("score", "read", "operate"))
    words = [
        "curl", "-s", f"{stack.at.url}/v1/predictions", "-H", f"Authorization: Bearer {token}",
        "-H", "Content-Type: application/json", "-d",
        json.dumps({"items": [stack.example()], "reasons": 3}, ensure_ascii=False),
    ]  # fmt: skip
    width = max(map(len, stack.addresses))
    lines = [f"  {name:<{width}}  {address}" for name, address in stack.addresses.items()]
    if stack.without_mlflow:
        lines.append(f"  {'MLflow':<{width}}  left out: {stack.without_mlflow}")
    lines.append(f"  {'Grafana':<{width}}  {_GRAFANA}")
    return "\n".join(
        ["", "Everything answers:", *lines, f"Logs: {stack.home / 'logs'}", f"API key: {token}",
         "Try:", f"  {shlex.join(words)}",
         f"The contract as a page: {stack.at.url}/docs (Ctrl-C ends everything)"]
    )  # fmt: skip


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
