"""The sources in a folder of their own, and what is built from them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("churnkit", "service/churnkit_service", "desktop/churnkit_desktop")
_NOT_SOURCES = (".git", ".*_cache", ".venv*", ".hypothesis", "__pycache__", "build", "dist",
                "demo", "*.egg-info")  # fmt: skip


def copy_sources(folder: Path) -> Path:
    """The sources, so that building leaves nothing in the folder of whoever runs the tests."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*_NOT_SOURCES))
    return folder


def build(sources: Path, out: Path, *arguments: str, umask: int = 0o022) -> None:
    """Build with the tools of this environment; no index is asked."""
    ran = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *arguments, "-o", out, sources],
        capture_output=True,
        text=True,
        umask=umask,
        env=clean_environment(),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def clean_environment(**more: str) -> dict[str, str]:
    """This environment, without what points at these sources or fixes a build's time."""
    hidden = {"PYTHONPATH", "SOURCE_DATE_EPOCH", "PYTHONHOME", "VIRTUAL_ENV"}
    return {name: value for name, value in os.environ.items() if name not in hidden} | more


def empty_environment(folder: Path) -> Path:
    """A virtual environment with pip and nothing else; gives its programs' folder."""
    venv.create(folder, with_pip=True)
    return folder / ("Scripts" if sys.platform == "win32" else "bin")


def install(programs: Path, *wanted: str) -> None:
    """Install with pip, at the versions that the project pins."""
    ran = subprocess.run(
        [programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "-c", ROOT / "constraints.txt", *wanted],
        capture_output=True,
        text=True,
        env=clean_environment(),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
