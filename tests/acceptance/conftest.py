"""A project trained once per test run, and a copy of it for each test that changes it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

import churnkit as ck
from churnkit.cli.main import run
from churnkit.data.samples.locate import telco_path
from tests.copies import copy_project

ROWS = 2_000
"""Enough customers for a model, few enough for a test."""


class Answer(NamedTuple):
    """What a call of the command line gave."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def customers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first customers of the Telco sample, as a CSV file."""
    path = tmp_path_factory.mktemp("data") / "customers.csv"
    lines = telco_path().read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: ROWS + 1]), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory, customers: Path) -> Path:
    """A project with a champion; all workers of a run share it, none changes it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    folder = shared / "trained"
    with FileLock(shared / "trained.lock"):
        if not (folder / "done").exists():
            data = shared / "customers.csv"
            shutil.copyfile(customers, data)
            with ck.create_project(folder, data, name="trained").project as project:
                ck.train(project, budget_seconds=4, seed=1)
                ck.score(project, data, folder / "scores.csv", record=True)
            (folder / "done").touch()
    return folder


@pytest.fixture
def project(trained_folder: Path, tmp_path: Path) -> Iterator[ck.Project]:
    """A copy of the trained project that a test may change."""
    folder = tmp_path / "project"
    copy_project(trained_folder, folder)
    with ck.open_project(folder) as opened:
        yield opened


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Call the command line in this process."""

    def call(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["churnkit", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "100")
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            run()
        captured = capsys.readouterr()
        code = stop.value.code
        return Answer(code if isinstance(code, int) else 0, captured.out, captured.err)

    return call
