"""The wheel holds what it should, is built to the same bytes, and needs no more than it must."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
import time
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from tests.packaging.building import (
    PACKAGES,
    ROOT,
    build,
    clean_environment,
    copy_sources,
    empty_environment,
    install,
)

NOT_IN_THE_LIBRARY = {
    "pyside6-essentials", "pyqtgraph", "shiboken6", "aiohttp", "asyncpg", "uvloop", "orjson",
    "prometheus-client", "mlflow", "flask", "gunicorn", "graphene", "docker", "huey", "pyspark",
    "shap", "numba", "pytest",
}  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution."""
    base = tmp_path_factory.mktemp("dist")
    # The strictest rights first: the second build, below, has others.
    build(copy_sources(base / "sources"), base / "out", umask=0o077)
    return base / "out"


def _wheel(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_every_file_of_the_packages_and_no_test(built: Path) -> None:
    with zipfile.ZipFile(_wheel(built)) as wheel:
        names = set(wheel.namelist())
    expected = {
        str(path.relative_to((ROOT / package).parent))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected <= names, expected - names
    others = {name for name in names - expected if ".dist-info/" not in name}
    assert not others
    for wanted in (
        "churnkit/py.typed",
        "churnkit_service/py.typed",
        "churnkit_desktop/py.typed",
        "churnkit/reporting/templates/report.html",
        "churnkit/data/samples/telco_ibm.csv",
        "churnkit/ledger/migrations/script.py.mako",
    ):
        assert wanted in names
    assert any(re.fullmatch(r"churnkit/ledger/migrations/versions/\w+\.py", n) for n in names)


def test_the_sources_build_the_same_wheel_twice(built: Path, tmp_path: Path) -> None:
    """Another moment, another folder, other rights for new files: the same bytes."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        # Early versions of Python 3.11 know no filters, and do not look at this.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path)
    (sources,) = tmp_path.iterdir()
    assert (sources / "tests" / "packaging").is_dir(), "one can test what one unpacked"
    since = time.time() - _wheel(built).stat().st_mtime
    time.sleep(max(0.0, 2.1 - since))  # a zip counts in steps of two seconds
    build(sources, tmp_path / "again", "--wheel", umask=0o022)
    first, second = (
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (_wheel(built), _wheel(tmp_path / "again"))
    )
    assert first == second


def test_the_library_asks_for_neither_qt_nor_a_server(built: Path) -> None:
    with zipfile.ZipFile(_wheel(built)) as wheel:
        (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
        metadata = HeaderParser().parsestr(wheel.read(name).decode())
    wanted = {
        re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("_", "-")
        for line in metadata.get_all("Requires-Dist", [])
        if "extra ==" not in line
    }
    assert "mlflow-skinny" in wanted
    assert not wanted & NOT_IN_THE_LIBRARY


@pytest.mark.long
def test_the_wheel_in_an_empty_environment_does_the_job(built: Path, tmp_path: Path) -> None:
    programs = empty_environment(tmp_path / "venv")
    wheel = _wheel(built)
    install(programs, str(wheel))
    listed = json.loads(_run(programs, "python", "-m", "pip", "list", "--format", "json"))
    there = {one["name"].lower().replace("_", "-") for one in listed}
    assert not there & NOT_IN_THE_LIBRARY
    desk = tmp_path / "desk"
    desk.mkdir()
    _run(programs, "churnkit", "demo", "--budget", "4s", cwd=desk)
    project = desk / "churnkit-demo"
    assert (project / "store" / "mlflow.db").exists(), "runs are recorded without MLflow's pages"
    told = _fails(programs, "-C", project, "mlflow")
    assert "churnkit[mlflow]" in told
    assert "churnkit[desktop]" in _fails(programs, "desktop", project)
    assert "churnkit[service]" in _fails(programs, "-C", project, "serve")

    install(programs, f"{wheel}[desktop,service]")
    _run(programs, "churnkit", "demo", "--budget", "3s", cwd=desk)
    _run(programs, "churnkit", "-C", project, "doctor")
    _run(programs, "python", "-c", "import churnkit_desktop.app, churnkit_service.app")


def _run(programs: Path, program: str, *arguments: object, cwd: Path | None = None) -> str:
    ran = subprocess.run(
        [programs / program, *map(str, arguments)],
        cwd=cwd,
        env=clean_environment(QT_QPA_PLATFORM="offscreen"),
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, (arguments, ran.stderr)
    return ran.stdout


def _fails(programs: Path, *arguments: object) -> str:
    ran = subprocess.run(
        [programs / "churnkit", *map(str, arguments)],
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2, (arguments, ran.stdout, ran.stderr)
    return ran.stderr
