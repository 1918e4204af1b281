"""The Dockerfile: its rules, and its steps done in an empty folder.

No container engine is at hand where these tests run: the image itself is *not verified*.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from churnkit_stack.finding import Ports

from tests.copies import copy_project
from tests.live import item
from tests.postgres import own_postgres
from tests.stack.image import SYSTEM, Built, build, excluded, instructions


def test_the_image_runs_as_nobody_without_build_tools_and_is_watched() -> None:
    found = instructions()
    stages = max(one.stage for one in found)
    assert stages == 1
    last = [one for one in found if one.stage == stages]
    assert {one.word for one in last} >= {"USER", "HEALTHCHECK", "CMD", "STOPSIGNAL", "EXPOSE"}
    (user,) = [one.rest for one in last if one.word == "USER"]
    assert user.split(":")[0].isdigit() and int(user.split(":")[0]) > 0
    for one in last:
        if one.word == "RUN":
            assert one.rest.startswith(SYSTEM)
            assert not {"gcc", "g++", "make", "git", "curl"} & set(one.rest.split())
    # Bases by one argument, so that a digest pins both; no registry's host is named.
    bases = {one.rest.split()[0] for one in found if one.word == "FROM"}
    assert bases == {"${PYTHON_IMAGE}"}
    (base,) = [one.rest for one in found if one.word == "ARG"]
    tag = base.partition("=")[2]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", tag)


def test_the_engine_gets_nothing_but_the_source() -> None:
    for path in (".env", ".git/config", "demo/store/ledger.sqlite", "tests/live.py", ".venv/x"):
        assert excluded(path), path
    for path in ("churnkit/errors.py", "packaging/docker/install.sh", "constraints.txt"):
        assert not excluded(path), path
    assert excluded("churnkit/__pycache__/errors.pyc")


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    """The image as a folder that everybody may read."""
    base = Path(tempfile.mkdtemp(prefix="churnkit-image-"))
    base.chmod(0o755)
    try:
        done = build(base)
        (base / "tmp").chmod(0o1777)
        yield done
    finally:
        shutil.rmtree(base, ignore_errors=True)


@pytest.mark.long
def test_the_steps_give_a_service_that_answers(built: Built, served_folder: Path) -> None:
    # Each step that was not done here is one that only a fresh system may need.
    assert [one.split()[0] for one in built.left_out] == ["apt-get", "groupadd"]
    copy_project(served_folder, built.base / "project")
    for path in (built.base, *built.base.rglob("*")):
        if path != built.base / "tmp" and not path.is_symlink():
            path.chmod((path.stat().st_mode | 0o444 | (0o111 if path.is_dir() else 0)) & ~0o022)
    before = _files(built)
    python = built.base / "opt/churnkit/bin/python"
    for module in ("pip", "setuptools", "pytest", "PySide6"):
        found = subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False)
        assert found.returncode != 0, f"{module} is in the image"
    port = Ports().take()
    with own_postgres() as server:
        environ = {**built.environ, "DATABASE_URL": server.url, "LANG": "C.UTF-8"}
        environ["PATH"] = built.environ["PATH"].replace("$PATH", "/usr/bin:/bin")
        made = _run(built, environ, "churnkit", "-C", str(built.base / "project"), "--json",
                    "keys", "create", "test", "--scope", "score")  # fmt: skip
        token = json.loads(made.stdout)["token"]
        words = [str(port) if word == "8000" else word for word in built.command]
        words = ["127.0.0.1" if word == "0.0.0.0" else word for word in words]
        found = str(shutil.which(words[0], path=environ["PATH"]))
        service = subprocess.Popen(
            [found, *words[1:]], env=environ, cwd=built.inside(built.folder),
            stderr=subprocess.PIPE, text=True, **_nobody(),
        )  # fmt: skip
        try:
            health = [*built.health, f"http://127.0.0.1:{port}/healthz"]
            end = time.monotonic() + 120
            while _run(built, environ, *health, check=False).returncode != 0:
                assert service.poll() is None and time.monotonic() < end
                time.sleep(0.3)
            answer = urllib3.request(
                "POST",
                f"http://127.0.0.1:{port}/v1/predictions",
                json={"items": [item()], "reasons": 2},
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status == 200, answer.data
            service.send_signal(signal.SIGTERM)
            assert service.wait(30) == 0
        finally:
            if service.poll() is None:
                service.kill()
            service.communicate()
    assert _run(built, environ, *built.health, check=False).returncode == 1  # nothing listens
    assert _files(built) == before, "something was written outside the temporary folder"


def _nobody() -> dict[str, Any]:
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def _run(
    built: Built, environ: dict[str, str], *words: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    found = shutil.which(words[0], path=environ["PATH"])
    assert found is not None, words[0]
    return subprocess.run(
        [found, *words[1:]], env=environ, cwd=built.inside(built.folder), check=check, **_nobody(),
        capture_output=True, text=True,
    )  # fmt: skip


def _files(built: Built) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for top in ("opt", "project", "build")
        for path in (built.base / top).rglob("*")
        if path.is_file()
    }
