"""The workflows fit the published schema, run what exists, and hold no secret."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.packaging.building import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in WORKFLOWS}


def _steps(name: str) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(TEXTS[name])["jobs"]
    return [step for job in jobs.values() for step in job.get("steps", [])]


def _check_schema(*files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows",
         *files],
        capture_output=True,
        text=True,
    )  # fmt: skip


def test_the_workflows_fit_the_published_schema(tmp_path: Path) -> None:
    assert {"test.yml", "release.yml"} <= set(TEXTS)
    ran = _check_schema(*WORKFLOWS)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    broken = tmp_path / "broken.yml"
    broken.write_text(TEXTS["test.yml"].replace("runs-on:", "run-on:"), encoding="utf-8")
    assert _check_schema(broken).returncode == 1, "the check sees nothing"


@pytest.mark.parametrize("name", TEXTS)
def test_what_the_steps_run_is_there(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for step in _steps(name):
        run = step.get("run", "")
        for target in re.findall(r"\bmake ([a-z-]+)", run):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
        for path in re.findall(r"\b(?:tests|packaging)/[\w./-]+", run):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", TEXTS)
def test_no_secret_in_a_file_and_no_right_too_many(name: str) -> None:
    text = TEXTS[name]
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert not re.search(r"(?i)(password|token|key)\s*[:=]\s*['\"]?[\w+/-]{12,}", text)
    for step in _steps(name):
        used = step.get("uses", "")
        if used.startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        if used:
            # By commit, with the version that it is for whoever reads.
            assert re.search(rf"{re.escape(used)} # v\d+\.\d+\.\d+$", text, re.MULTILINE), used
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", used), used
        # Text of others (a title, a branch) never becomes part of a command.
        assert "${{ github." not in step.get("run", "")


def test_the_matrix_is_what_the_project_says_it_runs_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    told = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    jobs = yaml.safe_load(TEXTS["test.yml"])["jobs"]
    for job in ("linux", "others"):
        assert jobs[job]["strategy"]["matrix"]["python"] == told
    systems = " ".join(jobs["others"]["strategy"]["matrix"]["os"])
    assert "windows" in systems and "macos" in systems


def test_the_notes_of_a_release_come_from_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    script = ROOT / "packaging" / "release_notes.py"
    other = subprocess.run([sys.executable, script, "v99.0.0"], capture_output=True, text=True)
    assert other.returncode == 2
    assert project["version"] in other.stderr
    changes = "# C\n\n## [2.0.0] - 2030-01-01\n\n- new\n\n## [1.0.0]\n- old\n"
    code = f"import release_notes; print(release_notes.notes({changes!r}, '2.0.0'))"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "packaging", capture_output=True, text=True
    )
    assert ran.stdout.strip() == "- new", ran.stderr
