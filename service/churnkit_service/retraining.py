"""From time to time: is a new model due? Then one replica has it made, in a process of its own.

Training holds the interpreter for seconds at a time, and a killed training must not end a service;
so it is ``churnkit retrain --if-needed`` that runs, on the service's database. Which of the
replicas does it is decided in the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys

from churnkit.project import Project

log = logging.getLogger("churnkit.service")
_COMMAND = (sys.executable, "-m", "churnkit", "retrain", "--if-needed", "--json")


class Retraining:
    """Looks after the project's models.

    Parameters
    ----------
    project : its folder must hold the data; a replica without data leaves it to others
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def every_seconds(self) -> float:
        """How often to look; 0: never."""
        return self._project.settings.retraining.check_hours * 3_600

    async def round(self) -> float | None:
        """Look once; waits until a training that is due is done."""
        if not self._project.database.is_file():
            return None
        process = self._process = subprocess.Popen(
            [*_COMMAND[:3], "-C", str(self._project.folder), *_COMMAND[3:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "CHURNKIT_LEDGER_URL": self._project.ledger_url},
        )
        try:
            out, _ = await asyncio.to_thread(process.communicate)
        finally:
            self.stop()
        with contextlib.suppress(ValueError):
            told = json.loads(out)
            if "error" in told:
                log.warning("retraining failed", extra={"error": told["error"]})
            elif told.get("due"):
                done = told["retraining"]
                log.info("retrained", extra={"retraining": done["retraining_id"]})
        return None

    def stop(self) -> None:
        """End a training under way; what it has done is kept, and goes on the next time."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.kill()
