"""A process that works on jobs, seen from the service."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from churnkit.domain.jobs import Job
from churnkit.project import Project
from churnkit.settings.whole import Settings


class JobChild:
    """A child process; one job at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "churnkit_service.job_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._stays = True
        self.idle_since = time.monotonic()

    def give(self, project: Project, settings: Settings, job: Job) -> None:
        """Tell it what to do."""
        told = {
            "folder": str(project.folder),
            "settings": settings.model_dump(mode="json"),
            "job": job.model_dump(mode="json"),
        }
        # On stdin, not as arguments: these name the database with its password.
        self._say(json.dumps(told) + "\n")

    def attend(self, heard: Callable[[dict[str, Any]], None]) -> str:
        """Hear what it says until its job is over; blocks.

        Returns
        -------
        ending : how it ended; empty: the process died
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith("\n"):  # killed while it spoke
                break
            news = json.loads(line)
            if "ended" in news:
                self.idle_since = time.monotonic()
                self._stays = bool(news.get("stays", False))
                return str(news["ended"])
            heard(news)
        return ""

    @property
    def reusable(self) -> bool:
        """Whether it can take another job."""
        return self._stays and self._process.poll() is None

    def stop(self) -> None:
        """Let it leave its job to another process."""
        self._say("stop\n")

    def end(self) -> int:
        """End it at once, whatever it does; returns its status."""
        self._process.kill()
        with self._process:
            return self._process.wait()

    def _say(self, text: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # it is gone already
            self._process.stdin.write(text)
            self._process.stdin.flush()
