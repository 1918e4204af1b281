"""The project folder that library, CLI, desktop and service share; wiring only."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from filelock import FileLock, Timeout
from pydantic import ValidationError

from churnkit.domain.runs import RunRecord
from churnkit.errors import ProjectBusy, RunUnreadable, UnknownRun, did_you_mean
from churnkit.files import storage_errors, write_whole
from churnkit.ledger.engine import Pool
from churnkit.ledger.store import Ledger
from churnkit.registry.mlflow_store import MlflowStore
from churnkit.settings.file import read_settings
from churnkit.settings.whole import Settings


class Project:
    """An opened project folder.

    Use it as a context manager, or close it, to let go of the ledger's connections.

    Parameters
    ----------
    folder : the folder that holds churnkit.toml
    settings : what churnkit.toml says
    pool : connections to the ledger's PostgreSQL, where the default does not fit
    """

    def __init__(self, folder: Path, settings: Settings, *, pool: Pool | None = None) -> None:
        self.folder = folder
        self.settings = settings
        self._pool = pool
        self._ledger: Ledger | None = None

    def __repr__(self) -> str:
        return f"Project({self.settings.project.name!r}, folder={str(self.folder)!r})"

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the ledger's connections; a closed project opens them again when needed."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    @property
    def store(self) -> Path:
        """Where churnkit keeps its own files."""
        return self.folder / "store"

    @property
    def database(self) -> Path:
        """The imported customers (DuckDB)."""
        return self.store / "churnkit.duckdb"

    @property
    def training_database(self) -> Path:
        """The labelled rows to learn from: those imported, or a panel built from events."""
        return self.database if self.settings.events is None else self.store / "panel.duckdb"

    @property
    def features_file(self) -> Path:
        """The FeatureSet of a project of events."""
        return self.folder / "features.toml"

    @property
    def reports(self) -> Path:
        """Where reports are written."""
        return self.folder / "reports"

    @property
    def own_journal_head(self) -> Path:
        """The signed head of the journal in the folder itself."""
        return self.store / "journal-head.json"

    @property
    def journal_head(self) -> Path:
        """The journal's signed head, rewritten with every change of an alias.

        Each ledger has its own: a service may keep the folder's journal in another database.
        """
        if self.ledger_url.startswith("sqlite"):
            return self.own_journal_head
        url = urlsplit(self.ledger_url)
        where = f"{url.hostname}:{url.port}{url.path}?{url.query}"
        digest = hashlib.sha256(where.encode()).hexdigest()
        return self.store / f"journal-head-{digest[:12]}.json"

    @property
    def ledger_url(self) -> str:
        """The SQLAlchemy URL of the ledger."""
        return self.settings.ledger.url or f"sqlite:///{self.store / 'ledger.sqlite'}"

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened at the first use.

        Raises
        ------
        StorageUnreachable : its database does not answer
        """
        if self._ledger is None:
            with storage_errors(self.store):
                self.store.mkdir(parents=True, exist_ok=True)
            files = self.settings.service.files
            self._ledger = Ledger.open(
                self.ledger_url,
                self._pool,
                self.folder / Path(files).expanduser() if files else None,
            )
        return self._ledger

    @property
    def mlflow(self) -> MlflowStore:
        """The MLflow store of this project; MLflow itself is imported when it is used."""
        return MlflowStore(self.store)

    def bundle(self, version: str) -> Path:
        """The folder of a model version's files."""
        return self.store / "bundles" / version

    # --- records of runs ---------------------------------------------------------------

    def write_run(self, record: RunRecord) -> str:
        """Keep the record of a training run; gives the SHA-256 (hex) of what was written."""
        path = self._run_path(record.run_id)
        content = record.model_dump_json(indent=1).encode()
        write_whole(path, content)
        return hashlib.sha256(content).hexdigest()

    def run_hash(self, run_id: str) -> str | None:
        """SHA-256 (hex) of a run's record as it is now; None where it is not there."""
        try:
            return hashlib.sha256(self._run_path(run_id).read_bytes()).hexdigest()
        except OSError:
            return None

    def read_run(self, run_id: str) -> RunRecord:
        """Read the record of a training run.

        Raises
        ------
        UnknownRun : there is none with this name
        RunUnreadable : it was damaged
        """
        path = self._run_path(run_id)
        if path.parent.name != "runs" or not path.is_file():
            known = sorted(path.stem for path in (self.store / "runs").glob("*.json"))
            raise UnknownRun(
                f"there is no record of a run '{run_id}'.",
                fix=did_you_mean(run_id, known),
                run=run_id,
            )
        try:
            return RunRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise RunUnreadable(
                f"the record of run {run_id} cannot be read.",
                fix="Restore it from a backup, or train again.",
                file=path,
            ) from error

    def _run_path(self, run_id: str) -> Path:
        return self.store / "runs" / f"{Path(run_id).name}.json"

    # --- one writer at a time ------------------------------------------------------------

    @contextmanager
    def lease(self, purpose: str) -> Iterator[None]:
        """Be the only process that writes to this project.

        The operating system lets go of the lock when the process ends, however it ends.

        Parameters
        ----------
        purpose : what the writer does ("training"), shown to whom it keeps waiting

        Raises
        ------
        ProjectBusy : another process has the lease; ``where`` names it
        FolderReadOnly : the folder may not be written to
        """
        owner_file = self.store / "lease.json"
        with storage_errors(self.store):
            self.store.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.store / "lease.lock", thread_local=False)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise self._busy(owner_file) from None
        try:
            with storage_errors(owner_file):
                owner = {
                    "pid": os.getpid(),
                    "user": user_name(),
                    "host": socket.gethostname(),
                    "purpose": purpose,
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                }
                owner_file.write_text(json.dumps(owner), encoding="utf-8")
            yield
        finally:
            owner_file.unlink(missing_ok=True)
            lock.release()

    def _busy(self, owner_file: Path) -> ProjectBusy:
        try:
            owner = json.loads(owner_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            owner = {}
        since = f" since {owner['since']}" if "since" in owner else ""
        return ProjectBusy(
            f"another process is {owner.get('purpose', 'writing')} in this project{since}.",
            fix="Wait until it is done, or stop it.",
            folder=self.folder,
            pid=owner.get("pid"),
            user=owner.get("user"),
            host=owner.get("host"),
        )


def open_project(folder: Path | str = ".") -> Project:
    """Open the project in this folder.

    Raises
    ------
    ProjectNotFound : the folder holds no churnkit.toml
    SettingsInvalid : churnkit.toml cannot be used
    """
    path = Path(folder).expanduser().resolve()
    return Project(path, read_settings(path))


def user_name() -> str:
    """Who is at work, for the journal and the lease."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
