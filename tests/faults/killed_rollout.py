"""Ends a process after its n-th step in the ledger, in a child, as kill -9 would.

Run as a program: URL, project folder, the moment to look at, what to do, n. It exits with 9 where
it was killed and with 0 where everything was done before.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from churnkit.project import open_project
from churnkit.usecases.rollouts.verbs import abort_rollout, advance_rollout, promote_rollout


def run(folder: str, url: str, moment: str, what: str, n: int) -> None:
    """Do it, and die after the n-th statement or commit."""
    project = open_project(folder)
    if url:
        ledger = project.settings.ledger.model_copy(update={"url": url})
        project.settings = project.settings.model_copy(update={"ledger": ledger})
    count = 0

    def step(*told: Any) -> None:
        nonlocal count
        # What was only read leaves nothing behind: the first write is the first step.
        writes = len(told) > 2 and not told[2].lower().startswith(("select", "begin"))
        count += 1 if count or writes else 0
        if count == n:
            os._exit(9)

    now = datetime.fromisoformat(moment)
    engine = project.ledger.engine
    sa.event.listen(engine, "after_cursor_execute", step)
    sa.event.listen(engine, "commit", step)  # just before it is committed
    if what == "advance":
        advance_rollout(project, now=now)
    elif what == "promote":
        promote_rollout(project, why="a person", now=now)
    else:
        abort_rollout(project, why="a person", now=now)
    project.close()


if __name__ == "__main__":
    folder, url, moment, what, start = sys.argv[1:6]
    # One process that has imported everything; each attempt is a child of its own.
    n = int(start)
    while True:
        child = os.fork()
        if child == 0:
            try:
                run(folder, url, moment, what, n)
            except BaseException as error:  # noqa: BLE001 - a child must not go on as its parent
                sys.stderr.write(f"{error!r}\n")
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        sys.stdout.write(f"{n} {code}\n")
        sys.stdout.flush()
        if code != 9:
            break
        if sys.stdin.readline().strip() != "go on":
            break
        n += 1
