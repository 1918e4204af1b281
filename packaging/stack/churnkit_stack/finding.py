"""Programs of the system, ports that are free, and whether something answers."""

from __future__ import annotations

import os
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path

_MORE = "/usr/local/sbin:/usr/sbin:/sbin"
"""Debian's servers are there, and people who are not root do not look there."""
_PATIENCE_SECONDS = 3.0


class ProgramMissing(Exception):
    """A program of the system is not installed."""


def program(name: str) -> str:
    """Where a program is.

    Raises
    ------
    ProgramMissing : it is nowhere
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_MORE}")
    if found is None:
        raise ProgramMissing(
            f"'{name}' is not installed. 'sh packaging/system.sh stack' installs what is needed."
        )
    return found


class Ports:
    """Gives ports of this machine; none twice."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def take(self, wanted: int = 0) -> int:
        """The wanted port if it is free, otherwise another one."""
        for port in (wanted, *[0] * 20):
            if port in self._given:
                continue
            found = _free(port)
            if found and found not in self._given:
                self._given.add(found)
                return found
        raise OSError("no port is free")


def _free(port: int) -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a GET is answered with success."""
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_SECONDS) as answer:
            return 200 <= int(answer.status) < 300
    except (OSError, urllib.error.URLError):
        return False


def accepts(port: int) -> bool:
    """Whether somebody listens."""
    try:
        with socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS):
            return True
    except OSError:
        return False


def root() -> Path:
    """The folder of the source, where ``packaging`` is."""
    return Path(__file__).resolve().parents[3]
