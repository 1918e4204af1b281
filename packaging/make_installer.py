"""Build the console's installer for the system it runs on: `python packaging/make_installer.py`.

Linux gets a .deb and a .tar.zst, Windows a setup program (Inno Setup), macOS a .dmg. All of it is
built in an environment of its own below build/, so that nothing else gets into the bundle.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import checksums
import linux_packages

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = linux_packages.PROGRAM
ENDING = ".exe" if sys.platform == "win32" else ""
LICENCES = "third-party-licences.html"
STARTS = 3
T = TypeVar("T")


def main() -> int:
    """Environment, bundle, packages, checksums; says what each took and weighs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the results go")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "installer")
    asked = parser.parse_args()
    out, work = asked.out.resolve(), asked.work.resolve()
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "") or time.time())

    for name in ("PYTHONPATH", "PYTHONHOME"):  # else the bundle gets what happens to lie there
        os.environ.pop(name, None)
    python = _timed("environment", lambda: environment(work / "venv"))
    folder = _timed("bundle", lambda: bundle(python, work))
    _timed("licences", lambda: write_licences(folder))
    print(f"  unpacked: {_megabytes(_weight(folder))}")
    for took in starts(folder):
        print(f"  start to window: {took:.2f} s")
    if sys.platform == "linux":
        made = [
            _timed("tar.zst", lambda: linux_packages.portable_archive(folder, out, version, epoch)),
            _timed("deb", lambda: linux_packages.debian_package(folder, work, out, version, epoch)),
        ]
    elif sys.platform == "win32":
        made = [_timed("setup", lambda: windows_setup(folder, out, version))]
    else:
        made = [_timed("dmg", lambda: mac_image(work / "dist", out, version))]
    for path in made:
        print(f"  {path.name}: {_megabytes(path.stat().st_size)}")
    return checksums.main(out)


def environment(folder: Path) -> Path:
    """An environment with the console and PyInstaller; gives its Python."""
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
               "-c", ROOT / "constraints.txt"]  # fmt: skip
    subprocess.run([*install, "build", "setuptools>=77"], check=True)
    with tempfile.TemporaryDirectory() as built:
        # A wheel through a source distribution: what lies about in the sources stays out.
        subprocess.run(
            [python, "-m", "build", "--no-isolation", "--outdir", built, ROOT],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (wheel,) = Path(built).glob("*.whl")
        subprocess.run([*install, f"{wheel}[desktop,packaging]"], check=True)
        # The version number may be that of a wheel from before.
        again = ["--force-reinstall", "--no-deps", wheel]
        subprocess.run([*install, *again], check=True)
    return python


def bundle(python: Path, work: Path) -> Path:
    """PyInstaller's folder, ready to run."""
    subprocess.run(
        [python, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR",
         "--distpath", work / "dist", "--workpath", work / "pyinstaller",
         ROOT / "packaging" / "pyinstaller" / f"{PROGRAM}.spec"],
        check=True,
    )  # fmt: skip
    folder = work / "dist" / PROGRAM
    if sys.platform == "linux":
        # A Python that was built from source brings 17 MB of names for debuggers.
        for library in (folder / "_internal").glob("libpython3*.so*"):
            subprocess.run(["strip", "--strip-unneeded", library], check=True)
    return folder


def write_licences(folder: Path) -> Path:
    """The page of licences beside the program, written by the program: it knows its parts."""
    target = folder / LICENCES
    subprocess.run([folder / f"{PROGRAM}{ENDING}", "--licences", target], check=True)
    return target


def starts(folder: Path) -> list[float]:
    """Seconds from the start of the program to its window, some times in a row."""
    program, taken = folder / f"{PROGRAM}{ENDING}", []
    for _ in range(STARTS):
        began = time.time()
        ran = subprocess.run(
            [program, "--only-window", f"--began={began}"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        )
        taken.append(float(ran.stdout.split("window: ")[1].split(" s")[0]) if ran.stdout else -1.0)
    return taken


def windows_setup(folder: Path, out: Path, version: str) -> Path:
    """A setup program by Inno Setup. Not verified: no machine of ours runs Windows."""
    script = ROOT / "packaging" / "windows" / "churnkit.iss"
    compiler = shutil.which("iscc") or r"C:\Program Files (x86)\Inno Setup 6\ISCC.exe"
    subprocess.run(
        [compiler, "/Qp", f"/DVersion={version}", f"/DFolder={folder}", f"/DOut={out}", script],
        check=True,
    )
    return out / f"{PROGRAM}-{version}-windows.exe"


def mac_image(dist: Path, out: Path, version: str) -> Path:
    """A disk image with the app. Not verified: no machine of ours runs macOS."""
    target = out / f"{PROGRAM}-{version}-macos.dmg"
    content = dist / "image"
    shutil.rmtree(content, ignore_errors=True)
    shutil.copytree(dist / "churnkit.app", content / "churnkit.app", symlinks=True)
    shutil.copyfile(dist / PROGRAM / LICENCES, content / LICENCES)
    (content / "Applications").symlink_to("/Applications")
    subprocess.run(
        ["hdiutil", "create", "-volname", "churnkit", "-srcfolder", content, "-ov",
         "-format", "ULFO", target],
        check=True,
    )  # fmt: skip
    return target


def _timed(what: str, call: Callable[[], T]) -> T:
    began = time.monotonic()
    result = call()
    print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)
    return result


def _weight(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.0f} MB"


if __name__ == "__main__":
    sys.exit(main())
