"""MLflow's own pages on a project's runs, for as long as somebody looks at them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from churnkit.domain.progress import Cancel
from churnkit.errors import SettingsInvalid, StorageError
from churnkit.project import Project
from churnkit.registry.journal import holders

HOST = "127.0.0.1"
_START_SECONDS = 120.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.2


def serve_mlflow(
    project: Project, port: int, *, ready: Callable[[str], None], cancel: Cancel
) -> None:
    """Serve MLflow's pages to this machine until somebody asks to stop.

    MLflow's aliases are first made what the journal says. When the call returns or raises, no
    process of MLflow is left.

    Parameters
    ----------
    port : on this machine
    ready : called once, with the address, when the pages answer

    Raises
    ------
    SettingsInvalid : the port is taken
    MissingDependency : MLflow's server and pages are not installed
    StorageError : no run was recorded yet, MLflow refuses its store, or it did not start
    """
    store = project.mlflow
    if not store.exists:
        raise StorageError(
            "no run of this project is recorded in MLflow yet.",
            fix="Train a model with 'churnkit train'.",
            folder=project.folder,
        )
    command = store.ui_command(HOST, port)
    _check_free(port)
    store.set_aliases(holders(project.ledger.journal()))
    address = f"http://{HOST}:{port}"
    # A group of its own: the server starts workers, and all of them have to end with it.
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **store.ui_environment()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            if _answers(process, address, log, cancel):
                ready(address)
            while not cancel.cancelled:
                _check_runs(process, log)
                time.sleep(_LOOK_SECONDS)  # a child, or whoever cancels: either may end it
        finally:
            _stop(process)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise SettingsInvalid(
                f"port {port} cannot be used: {error}.",
                fix="Name another one with --port.",
                option="--port",
            ) from error


def _answers(
    process: subprocess.Popen[bytes], address: str, log: IO[bytes], cancel: Cancel
) -> bool:
    end = time.monotonic() + _START_SECONDS
    while not cancel.cancelled:
        _check_runs(process, log)
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return True
        except OSError:
            time.sleep(_LOOK_SECONDS)  # MLflow does not say when it listens
        if time.monotonic() > end:
            raise StorageError(
                f"MLflow did not answer within {_START_SECONDS:.0f} seconds.",
                fix="Try again when the machine has less to do.",
            )
    return False


def _check_runs(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    if process.poll() is None:
        return
    log.seek(0)
    said = log.read().decode(errors="replace").strip().splitlines()
    raise StorageError(
        f"MLflow's server ended by itself: {said[-1] if said else 'it said nothing'}",
        fix="Models and journal are safe; 'churnkit doctor' looks at the project.",
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and its workers, also those that would outlive it."""
    whole = hasattr(os, "killpg")  # Windows has no such groups
    if whole:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    else:
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    if whole:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
