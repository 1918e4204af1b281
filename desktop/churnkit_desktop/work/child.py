"""The child process: reads one action, runs it, tells progress and result as lines of JSON.

The parent may kill it at any moment: use cases change a project in one step or not at all. It
ends by itself when the parent is gone, because then its input ends.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any, TextIO

from churnkit_desktop.actions import Action

STEP_SECONDS = 0.05
"""Progress is told at most so often; the last word of a stage always."""
CANCELLED = 130


def main(lines: TextIO | None = None, out: TextIO | None = None) -> int:
    """Run the action that stands in the first line."""
    lines, out = lines or sys.stdin, out or sys.stdout
    # What libraries print goes to the log, never between the lines of JSON.
    sys.stdout = sys.stderr
    order = json.loads(lines.readline())
    threading.Thread(target=_die_with_parent, args=(lines,), daemon=True).start()

    from churnkit.errors import Cancelled, ChurnkitError

    tell = _Teller(out)
    try:
        tell.say(result=_run(order["place"], Action.from_json(order["action"]), tell))
    except Cancelled as error:
        tell.say(error=error.to_json())
        return CANCELLED
    except ChurnkitError as error:
        tell.say(error=error.to_json())
        return 2
    return 0


def _run(place: str, action: Action, tell: _Teller) -> dict[str, Any]:
    import churnkit
    from churnkit.domain.progress import Step

    def progress(step: Step) -> None:
        tell.step(step.stage, step.done, step.detail, dict(step.figures))

    arguments: dict[str, Any] = {**action.arguments, **action.guards}
    verb = getattr(churnkit, action.verb)
    if action.makes_project:
        result = verb(**arguments, progress=progress)
        return {"place": str(result.project.folder), **result.to_json()}
    with churnkit.open_project(place) as project:
        result = verb(project, **arguments, progress=progress)
        return dict(result.to_json())


def _die_with_parent(lines: TextIO) -> None:
    lines.read()
    os._exit(CANCELLED)


class _Teller:
    """Writes lines of JSON, progress not more often than an eye can follow."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last = 0.0
        self._stage = ""

    def step(self, stage: str, done: float | None, detail: str, figures: dict[str, Any]) -> None:
        now = time.monotonic()
        if stage == self._stage and not figures and now - self._last < STEP_SECONDS:
            return
        self._stage, self._last = stage, now
        self.say(step={"stage": stage, "done": done, "detail": detail, "figures": figures})

    def say(self, **document: Any) -> None:
        self._out.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")
        self._out.flush()


if __name__ == "__main__":
    sys.exit(main())
