"""The process that works on jobs: ``python -m churnkit_service.job_process``.

The service starts it, and it hears from the service on stdin: jobs, one line of JSON each, and
'stop' when the one at hand shall be left to another process. When stdin ends, the service is gone,
and so is this process at once: somebody else takes the job. What it has done it says on stdout, a
line of JSON each.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any, NoReturn

from churnkit.domain.jobs import Job
from churnkit.errors import StorageError
from churnkit.settings.whole import Settings
from churnkit.usecases.jobs.running import work_on
from churnkit.usecases.operating.online import open_with_settings
from churnkit_service.logs import set_up_logs

ORPHANED, DATABASE_AWAY = 3, 75
_NICENESS = 10
_LARGE_BYTES = 1_000_000_000
"""A process that grew so large ends after its job, instead of keeping the memory."""


def main() -> None:
    """Do the work that stdin names, job after job."""
    # Whatever a library prints does not get between our lines.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    sys.stdout = sys.stderr
    set_up_logs()
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the service decides
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if hasattr(os, "nice"):
        os.nice(_NICENESS)  # requests that somebody waits for come first
    asked: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin, asked, stop), daemon=True).start()

    def tell(news: dict[str, Any]) -> None:
        out.write(json.dumps(news) + "\n")
        out.flush()

    def die(ending: str) -> NoReturn:
        tell({"ended": ending})
        os._exit(0)

    while not stop.is_set():
        told = asked.get()
        settings = Settings.model_validate(told["settings"])
        with open_with_settings(Path(told["folder"]), settings) as project:
            try:
                tell({"begun": True})
                ending = work_on(
                    project, Job.model_validate(told["job"]), told=tell, stop=stop, die=die
                )
            except StorageError:
                # The lease runs out, and the job is taken when the database is back.
                sys.exit(DATABASE_AWAY)
        stays = _peak_bytes() < _LARGE_BYTES and not stop.is_set()
        tell({"ended": ending, "stays": stays})
        if not stays:
            return


def _peak_bytes() -> int:
    """The most memory that this process has had."""
    try:
        import resource
    except ImportError:  # not on Windows
        return _LARGE_BYTES
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _listen(
    stdin: IO[str], asked: queue.SimpleQueue[dict[str, Any]], stop: threading.Event
) -> None:
    while line := stdin.readline():
        if line.strip() == "stop":
            stop.set()
        else:
            asked.put(json.loads(line))
    os._exit(ORPHANED)


if __name__ == "__main__":
    main()
