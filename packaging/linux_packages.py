"""The Linux results: a Debian package and a portable archive of the console's folder."""

from __future__ import annotations

import gzip
import os
import platform
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROGRAM = "churnkit-desktop"
# What the bundle takes from the system: the graphics drivers' entry points, the X server's and
# the session's. Either name of a library that Debian renamed will do.
DEPENDS = (
    "libegl1",
    "libgl1",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-keysyms1",
    "libxkbcommon-x11-0",
    "libdbus-1-3",
    "libfontconfig1",
    "libglib2.0-0t64 | libglib2.0-0",
)
# Higher levels take minutes more for some per cent.
ZSTD_LEVEL = 12


def portable_archive(folder: Path, out: Path, version: str, epoch: int) -> Path:
    """``churnkit-desktop-VERSION-linux-ARCH.tar.zst``, the same bytes from the same folder."""
    target = out / f"{PROGRAM}-{version}-linux-{platform.machine()}.tar.zst"
    packing = ["tar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner",
               f"--mtime=@{epoch}", "-C", folder.parent, "-c", folder.name]  # fmt: skip
    with target.open("wb") as stream:
        tar = subprocess.Popen(packing, stdout=subprocess.PIPE)
        subprocess.run(
            ["zstd", f"-{ZSTD_LEVEL}", "-T0", "--long=27", "-q", "-c"],
            stdin=tar.stdout,
            stdout=stream,
            check=True,
        )
    if tar.wait():
        raise subprocess.CalledProcessError(tar.returncode, "tar")
    return target


def debian_package(folder: Path, work: Path, out: Path, version: str, epoch: int) -> Path:
    """``churnkit-desktop_VERSION_ARCH.deb``: program, menu entry, icon, type of its files."""
    arch = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    root = work / "deb"
    shutil.rmtree(root, ignore_errors=True)
    home = root / "opt/churnkit"
    home.parent.mkdir(parents=True)
    # Hard links: half a gigabyte need not be written twice.
    shutil.copytree(folder, home, copy_function=os.link, symlinks=True)
    share = root / "usr/share"
    placed = {
        HERE / "deb/churnkit.desktop": share / "applications/churnkit.desktop",
        HERE / "deb/churnkit-mime.xml": share / "mime/packages/churnkit.xml",
        HERE / "deb/org.churnkit.desktop.metainfo.xml": share
        / "metainfo/org.churnkit.desktop.metainfo.xml",
        HERE / "icons/churnkit.svg": share / "icons/hicolor/scalable/apps/churnkit.svg",
        HERE / "icons/churnkit-48.png": share / "icons/hicolor/48x48/apps/churnkit.png",
        HERE / "icons/churnkit-256.png": share / "icons/hicolor/256x256/apps/churnkit.png",
    }
    for source, target in placed.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    _gzip(HERE / "deb" / f"{PROGRAM}.1", share / f"man/man1/{PROGRAM}.1.gz")
    documents = share / "doc" / PROGRAM
    documents.mkdir(parents=True)
    (documents / "copyright").write_text(_copyright(epoch), encoding="utf-8")
    _gzip_text(_changelog(version, epoch), documents / "changelog.gz")
    (root / "usr/bin").mkdir(parents=True)
    (root / f"usr/bin/{PROGRAM}").symlink_to(f"/opt/churnkit/{PROGRAM}")
    _rights(root)
    _control(root, version, arch)
    target = out / f"{PROGRAM}_{version}_{arch}.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zzstd", f"-z{ZSTD_LEVEL}", "--build", root, target],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
    )
    return target


def _control(root: Path, version: str, arch: str) -> None:
    size = sum(p.lstat().st_size for p in root.rglob("*") if p.is_file()) // 1024
    libc = platform.libc_ver()[1]
    depends = ", ".join((f"libc6 (>= {libc})", *DEPENDS))
    folder = root / "DEBIAN"
    folder.mkdir()
    (folder / "control").write_text(
        f"Package: {PROGRAM}\n"
        f"Version: {version}\n"
        f"Architecture: {arch}\n"
        "Maintainer: The churnkit authors <authors@churnkit.invalid>\n"
        f"Installed-Size: {size}\n"
        f"Depends: {depends}\n"
        "Section: science\n"
        "Priority: optional\n"
        "Description: console for customer churn\n"
        " From a table of customers to churn scores that one can trust: import, training\n"
        " with intervals, scores with reasons, and the profit of a campaign. It brings\n"
        " its own Python and needs no network.\n",
        encoding="utf-8",
    )


def _copyright(epoch: int) -> str:
    return (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        "Upstream-Name: churnkit\n"
        "Comment: The licences of all other parts stand, whole, in\n"
        " /opt/churnkit/third-party-licences.html\n\n"
        "Files: *\n"
        f"Copyright: {time.gmtime(epoch).tm_year} The churnkit authors\n"
        "License: Apache-2.0\n"
        " On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.\n"
    )


def _changelog(version: str, epoch: int) -> str:
    when = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(epoch))
    return (
        f"{PROGRAM} ({version}) stable; urgency=medium\n\n"
        "  * See CHANGELOG.md of the sources.\n\n"
        f" -- The churnkit authors <authors@churnkit.invalid>  {when}\n"
    )


def _gzip(source: Path, target: Path) -> None:
    _gzip_text(source.read_text(encoding="utf-8"), target)


def _gzip_text(text: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


def _rights(root: Path) -> None:
    """What everybody may read, and run where it is a program; whatever the umask was."""
    for path in (root, *root.rglob("*")):
        if path.is_symlink():
            continue
        runs = path.is_dir() or path.name == PROGRAM
        path.chmod(0o755 if runs else 0o644)
