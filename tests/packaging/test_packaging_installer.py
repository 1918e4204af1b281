"""What an analyst installs: built, installed, run without Python or network, and removed."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.packaging.building import ROOT, clean_environment, copy_sources

PROGRAM = "churnkit-desktop"
PACKED_MOST = 200_000_000
UNPACKED_MOST = 700_000_000
WINDOW_SECONDS = 2.0
# No program of the system, hence no Python, and no variables of the person who tests.
BARE = {"PATH": "/nonexistent", "HOME": "", "LANG": "C.UTF-8", "QT_QPA_PLATFORM": "offscreen"}

sys.path.insert(0, str(ROOT / "packaging"))


def test_what_is_left_out_is_told_with_its_reason() -> None:
    told = (ROOT / "docs" / "packaging.md").read_text(encoding="utf-8")
    sys.path.insert(0, str(ROOT / "packaging" / "pyinstaller"))
    import left_out

    for name in left_out.MODULES:
        assert f"`{name}`" in told, name
    assert left_out.is_left_out("pyarrow/libarrow_flight.so.2500")
    assert not left_out.is_left_out("pyarrow/libarrow.so.2500")
    assert not left_out.is_left_out("PySide6/Qt/plugins/platforms/libqoffscreen.so")


def test_checksums_are_those_that_sha256sum_checks(tmp_path: Path) -> None:
    (tmp_path / "a b.deb").write_bytes(b"one")
    (tmp_path / "c.tar.zst").write_bytes(b"two")
    script = [sys.executable, ROOT / "packaging" / "checksums.py", tmp_path]
    ran = subprocess.run(script, capture_output=True, text=True, env=_without("CHURNKIT_SIGN"))
    assert "not signed" in ran.stdout, "no key, and that is said"
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path)
    assert checked.returncode == 0
    (tmp_path / "a b.deb").write_bytes(b"another")
    assert subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path).returncode == 1


@pytest.mark.skipif(not shutil.which("gpg"), reason="there is no gpg here")
def test_a_named_key_signs_the_checksums(tmp_path: Path) -> None:
    home, folder = tmp_path / "gpg", tmp_path / "dist"
    home.mkdir(mode=0o700)
    folder.mkdir()
    (folder / "a.deb").write_bytes(b"one")
    env = {**os.environ, "GNUPGHOME": str(home), "CHURNKIT_SIGN": "test@churnkit.invalid"}
    make = ["gpg", "--batch", "--passphrase", "", "--quick-generate-key", env["CHURNKIT_SIGN"],
            "ed25519", "sign"]  # fmt: skip
    subprocess.run(make, env=env, check=True, capture_output=True)
    script = [sys.executable, ROOT / "packaging" / "checksums.py", folder]
    subprocess.run(script, env=env, check=True)
    sums, signature = folder / "SHA256SUMS", folder / "SHA256SUMS.asc"
    verify = ["gpg", "--verify", signature, sums]
    assert subprocess.run(verify, env=env, capture_output=True).returncode == 0
    sums.write_text(sums.read_text() + "\n")
    assert subprocess.run(verify, env=env, capture_output=True).returncode != 0
    subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False)


def test_the_windows_script_asks_for_what_the_build_gives() -> None:
    """Not verified on Windows: what a look at the script can show."""
    folder = ROOT / "packaging" / "windows"
    text = (folder / "churnkit.iss").read_text(encoding="utf-8")
    assert "; Not verified" in text
    sections: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("["):
            rows = sections.setdefault(line.strip("[]"), [])
        elif not line.startswith(";"):
            rows.append(line)
    assert set(sections) == {"Setup", "Files", "Tasks", "Icons", "Run"}
    setup = dict(line.split("=", 1) for line in sections["Setup"])
    for needed in ("AppId", "AppName", "AppVersion", "DefaultDirName", "OutputDir"):
        assert setup[needed], needed
    assert (folder / setup["LicenseFile"].replace("\\", "/")).resolve() == ROOT / "LICENSE"
    # Each entry is made of named parts, and names tasks that there are.
    entries = {
        name: [dict(re.findall(r'(\w+): ("[^"]*"|[^;"]+)(?:; |$)', line)) for line in lines]
        for name, lines in sections.items()
        if name != "Setup"
    }
    for name, lines in sections.items():
        for line, found in zip(lines, entries.get(name, []), strict=False):
            assert "; ".join(f"{key}: {value}" for key, value in found.items()) == line
    tasks = {entry["Name"] for entry in entries["Tasks"]}
    for entry in (*entries["Icons"], *entries["Run"]):
        assert entry["Filename"] == f'"{{app}}\\{PROGRAM}.exe"'
        assert {entry["Tasks"]} <= tasks if "Tasks" in entry else True
    # What it wants to know is what the build tells it; the file has the name that is looked for.
    build = (ROOT / "packaging" / "make_installer.py").read_text(encoding="utf-8")
    assert set(re.findall(r"{#(\w+)}", text)) == set(re.findall(r'f"/D(\w+)={', build))
    assert setup["OutputBaseFilename"] == f"{PROGRAM}-{{#Version}}-windows"
    assert 'f"{PROGRAM}-{version}-windows.exe"' in build


def test_the_mac_image_is_made_of_the_app_that_the_bundle_makes() -> None:
    """Not verified on macOS: what a look at the files can show."""
    spec = (ROOT / "packaging" / "pyinstaller" / f"{PROGRAM}.spec").read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(spec)) if isinstance(node, ast.Call)]
    (app,) = [call for call in calls if getattr(call.func, "id", "") == "BUNDLE"]
    told = {word.arg: word.value for word in app.keywords}
    name = ast.literal_eval(told["name"])
    assert ast.literal_eval(told["bundle_identifier"]) == "org.churnkit.desktop"
    build = (ROOT / "packaging" / "make_installer.py").read_text(encoding="utf-8")
    assert f'dist / "{name}"' in build and f'content / "{name}"' in build
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    for system in ("ubuntu-22.04", "windows-2025", "macos-15"):
        assert f"os: {system}" in workflow
    assert "path: dist/churnkit-desktop*" in workflow


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the packages, and what the build said; CHURNKIT_INSTALLERS: built before."""
    given = os.environ.get("CHURNKIT_INSTALLERS")
    if given:
        return Path(given), ""
    base = tmp_path_factory.mktemp("installer")
    out = base / "dist"
    ran = subprocess.run(
        [sys.executable, copy_sources(base / "sources") / "packaging" / "make_installer.py",
         "--out", out, "--work", base / "work"],
        capture_output=True,
        text=True,
        env=clean_environment(),
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    print(ran.stdout)
    shutil.rmtree(base / "work")
    return out, ran.stdout


pytestmark_linux = pytest.mark.skipif(sys.platform != "linux", reason="it is built on its system")


@pytest.mark.long
@pytestmark_linux
def test_the_packages_are_small_enough_and_their_sums_are_right(made: tuple[Path, str]) -> None:
    out = made[0]
    (deb,), (archive,) = out.glob("*.deb"), out.glob("*.tar.zst")
    assert deb.stat().st_size < PACKED_MOST
    assert archive.stat().st_size < PACKED_MOST
    sums = dict(
        reversed(line.split("  ")) for line in (out / "SHA256SUMS").read_text().splitlines()
    )
    for path in (deb, archive):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[path.name]
    assert _field(deb, "Version") in deb.name
    assert int(_field(deb, "Installed-Size")) * 1024 < UNPACKED_MOST
    names = subprocess.run(["dpkg-deb", "-c", deb], capture_output=True, text=True).stdout
    for wanted in ("applications/churnkit.desktop", "apps/churnkit.svg", "packages/churnkit.xml",
                   "third-party-licences.html", "man1/churnkit-desktop.1.gz"):  # fmt: skip
        assert wanted in names
    assert "/tests/" not in names


@pytest.mark.long
@pytestmark_linux
def test_the_portable_archive_does_the_whole_job_without_python_and_network(
    made: tuple[Path, str], tmp_path: Path
) -> None:
    (archive,) = made[0].glob("*.tar.zst")
    unpack = f"zstd -dc --long=27 '{archive}' | tar -x -C '{tmp_path}'"
    subprocess.run(["sh", "-c", unpack], check=True)
    folder = tmp_path / PROGRAM
    told = _self_test(folder / PROGRAM, tmp_path)
    assert re.search(r"trained: v1, ROC AUC 0\.8", told), told
    _shows_its_window_soon(folder / PROGRAM, tmp_path)
    page = (folder / "third-party-licences.html").read_text(encoding="utf-8")
    for name in ("PySide6_Essentials", "GNU LESSER GENERAL PUBLIC LICENSE", "scikit-learn"):
        assert name in page
    for name in ("numba", "shap", "mlflow", "pyspark", "pytest"):
        assert f">{name}<" not in page, f"{name} is in the bundle"


@pytest.mark.long
@pytestmark_linux
def test_the_debian_package_installs_works_and_leaves_nothing(
    made: tuple[Path, str], tmp_path: Path
) -> None:
    (deb,) = made[0].glob("*.deb")
    if os.geteuid() != 0:
        subprocess.run(["dpkg-deb", "-x", deb, tmp_path / "root"], check=True)
        _self_test(tmp_path / "root/opt/churnkit" / PROGRAM, tmp_path)
        return
    before = _system_files()
    try:
        installed = subprocess.run(["dpkg", "--install", deb], capture_output=True, text=True)
        assert installed.returncode == 0, installed.stderr
        assert Path(f"/usr/bin/{PROGRAM}").exists()
        menu = "/usr/share/applications/churnkit.desktop"
        if shutil.which("desktop-file-validate"):
            checked = subprocess.run(["desktop-file-validate", menu], capture_output=True)
            assert checked.stdout == b""
        if shutil.which("update-mime-database"):
            # The trigger of shared-mime-info ran: the file's type is known.
            known = Path("/usr/share/mime/globs2").read_text(encoding="utf-8")
            assert "application/x-churnkit-project:churnkit.toml" in known
        _self_test(Path(f"/usr/bin/{PROGRAM}"), tmp_path)
    finally:
        subprocess.run(["dpkg", "--purge", PROGRAM], check=True, capture_output=True)
    assert _system_files() == before
    assert not Path("/opt/churnkit").exists()


MEANT = (
    "dir-or-file-in-opt",  # a bundle of its own, as /opt is for
    "embedded-library",  # it brings its libraries, for the same reason
    "binary-or-shlib-defines-rpath",
    "custom-library-search-path",
    "unstripped-binary-or-object",  # stripping breaks what wheels have patched
    "shared-library-lacks-prerequisites",
    "missing-dependency-on-libc",
    "library-not-linked-against-libc",  # small modules of wheels, which their program links
    "missing-depends-on-sensible-utils",  # a word in a library of the system
    "malformed-deb-archive",  # dpkg reads zstd since 1.21.18, which this lintian does not know
)


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("lintian"), reason="there is no lintian here")
def test_lintian_finds_no_error_that_is_not_meant(made: tuple[Path, str]) -> None:
    (deb,) = made[0].glob("*.deb")
    ran = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error", "--suppress-tags", ",".join(MEANT), deb],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout


def _self_test(program: Path, home: Path) -> str:
    """Run it with nothing around it; gives what it said."""
    alone = ["unshare", "-n"] if _may_unshare() else []
    ran = subprocess.run(
        [*alone, "env", "-i", *(f"{k}={v}" for k, v in {**BARE, "HOME": str(home)}.items()),
         program.resolve(), "--self-test"],
        capture_output=True,
        text=True,
        cwd=home,
        timeout=600,
    )  # fmt: skip
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for step in ("window:", "sample:", "trained:", "scored: 7,043", "exported:", "report:"):
        assert step in ran.stdout, step
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.stdout


def _shows_its_window_soon(program: Path, home: Path) -> None:
    """The best of some starts, warm: the others tell how busy the machine is."""
    taken = []
    for _ in range(5):
        ran = subprocess.run(
            [program, "--only-window", f"--began={time.time()}"],
            check=True, capture_output=True, text=True, env={**BARE, "HOME": str(home)},
        )  # fmt: skip
        taken.append(float(ran.stdout.split("window: ")[1].split(" s")[0]))
    assert min(taken) <= WINDOW_SECONDS, taken


def _may_unshare() -> bool:
    return subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0


def _system_files() -> set[str]:
    """Files of the places that the package writes to; caches that others keep are no matter."""
    places = ("/opt", "/usr/bin", "/usr/share/applications", "/usr/share/icons/hicolor",
              "/usr/share/metainfo", "/usr/share/man/man1", "/usr/share/doc/churnkit-desktop",
              "/usr/share/mime/packages", "/usr/share/mime/application")  # fmt: skip
    return {
        str(path)
        for place in places
        for path in Path(place).rglob("*")
        if path.name not in ("mimeinfo.cache", "icon-theme.cache")
    }


def _field(deb: Path, name: str) -> str:
    return subprocess.run(
        ["dpkg-deb", "-f", deb, name], check=True, capture_output=True, text=True
    ).stdout.strip()


def _without(name: str) -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != name}
