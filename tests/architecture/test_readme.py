"""The README is short, and what it says works."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from churnkit.cli.main import run
from churnkit.data.samples.locate import cdnow_path, telco_path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_readme_is_short_and_has_a_picture() -> None:
    assert len(README.splitlines()) <= 120
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    assert pictures
    for name in (*pictures, *re.findall(r"(?<!!)\[[^\]]+\]\((?!http)([^)#]+)\)", README)):
        assert (ROOT / name).exists(), name


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"\bmake ([a-z-]+)", README))
    assert {"demo", "test"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the files that the README speaks of."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(telco_path(), tmp_path / "customers.csv")
    head, *rows = cdnow_path().read_text(encoding="utf-8").splitlines(keepends=True)
    some = [row for row in rows if int(row.split()[0]) <= 3_000]
    (tmp_path / "purchases.txt").write_text(head + "".join(some), encoding="utf-8")
    return tmp_path


def test_the_commands_run(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In this process: twenty of their own would spend most of the time importing the same.
    commands = [
        line.split("  #")[0].strip()
        for block in _blocks("console")
        for line in block.splitlines()
        if line.startswith("churnkit ")
    ]
    assert len(commands) >= 8
    for command in commands:
        words = command.replace("--budget 120s", "--budget 3s").split()[1:]
        monkeypatch.setattr(sys, "argv", ["churnkit", *words])
        with pytest.raises(SystemExit) as end:
            run()
        assert not end.value.code, command


def test_the_library_lines_run(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = _blocks("python")
    assert len(block.splitlines()) <= 10
    exec(compile(block.replace("budget_seconds=60", "budget_seconds=3"), "README.md", "exec"), {})
    assert "probability" in capsys.readouterr().out.lower()
