"""What all tests share: a real PostgreSQL, and a home that is not the user's."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import sqlalchemy as sa
from filelock import FileLock

from churnkit.ledger.engine import make_engine, migrate
from churnkit.registry.mlflow_store import MlflowStore
from tests.live import make_served_project
from tests.online_project import make_online_project
from tests.postgres import running_postgres

_numbers = itertools.count(1)
NO_JAVA = "the Spark tests were NOT run: there is no Java (install a JRE 17, or set JAVA_HOME)"


FIRST = (
    "spark/test_spark_features", "acceptance/test_bad_input", "acceptance/test_main_job",
    "broker/test_broker_nats", "architecture/test_readme", "features/test_features_point_in_time",
    "service/test_service_batches", "service/test_service_contract", "faults/", "desktop/",
    "spark/", "acceptance/", "retraining/", "service/", "outcomes/", "features/",
)  # fmt: skip
"""Where the files that take longest are."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first: none of the processes works alone on one while the others are done."""
    last = len(FIRST)

    def place(item: pytest.Item) -> int:
        return next((i for i, start in enumerate(FIRST) if f"tests/{start}" in item.nodeid), last)

    items.sort(key=place)


def has_java() -> bool:
    """Whether Spark can start on this machine."""
    home = os.environ.get("JAVA_HOME")
    return bool(shutil.which("java") or (home and (Path(home) / "bin" / "java").exists()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it where everybody reads it, not only in a count of skipped tests."""
    if not has_java():
        terminalreporter.write_line(f"ATTENTION: {NO_JAVA}", red=True)


# The same examples on every run: a failure is repeated by running the test again.
hypothesis.settings.register_profile("churnkit", derandomize=True, deadline=None)
hypothesis.settings.load_profile("churnkit")


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys and settings of the person who runs the tests are left alone."""
    base = tmp_path_factory.getbasetemp()
    # Processes that run tests side by side share one home, as the shared project is signed once.
    home = (base.parent if base.name.startswith("popen-") else base) / "config"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(home))
        patch.delenv("CHURNKIT_JOURNAL_KEY", raising=False)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a running server, started once per test process."""
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def database_maker(postgres_server: str) -> Callable[[], str]:
    """Makes databases that have the ledger's tables; a copy takes no longer than an empty one."""
    template = _new_database(postgres_server)
    engine = make_engine(template)
    migrate(engine)
    engine.dispose()
    return lambda: _new_database(postgres_server, str(sa.make_url(template).database))


@pytest.fixture
def postgres_url(database_maker: Callable[[], str]) -> str:
    """The URL of a PostgreSQL database with the ledger's tables, and nothing in them."""
    return database_maker()


@pytest.fixture(scope="module")
def fresh_database(database_maker: Callable[[], str]) -> str:
    """The URL of a PostgreSQL database that the tests of a module share."""
    return database_maker()


@pytest.fixture
def empty_database(postgres_server: str) -> str:
    """The URL of a PostgreSQL database without any table."""
    return _new_database(postgres_server)


def _new_database(server: str, template: str = "template1") -> str:
    name = f"test_{next(_numbers)}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"create database {name} template {template}"))
    engine.dispose()
    return str(sa.make_url(server).set(database=name).render_as_string(False))


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test's own on each engine that the ledger runs on."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without any table, on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    return str(request.getfixturevalue("empty_database"))


@pytest.fixture(autouse=True, scope="session")
def prepared_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """MLflow takes seconds to make its tables: once, then each project has a copy of them."""
    real = MlflowStore._client
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    template = shared / "mlflow-template" / "mlflow.db"

    @contextmanager
    def client(self: MlflowStore) -> Iterator[tuple[Any, Any]]:
        if not self.exists:
            with FileLock(shared / "mlflow.lock"):
                if not template.exists():
                    making = MlflowStore(template.parent.with_suffix(".new"))
                    with real(making) as (_, made):
                        made.search_experiments()
                        made.search_registered_models()
                    making.folder.rename(template.parent)
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(template, self.folder / "mlflow.db")
        with real(self) as found:
            yield found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MlflowStore, "_client", client)
        yield


@pytest.fixture(scope="session")
def served_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a champion and a challenger; tests share it, none changes its files."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    folder = shared / "served"
    with FileLock(shared / "served.lock"):
        if not (folder / "done").exists():
            make_served_project(folder)
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="session")
def online_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of events with a champion and online states; tests work on copies of it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    folder = shared / "online"
    with FileLock(shared / "online.lock"):
        if not (folder / "done").exists():
            make_online_project(folder)
            (folder / "done").touch()
    return folder
