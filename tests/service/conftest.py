"""A service on each database that it runs on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.live import Live, live, two_replicas


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each database; modules with ``REPLICAS`` also ask two replicas in turns.

    ``REPLICAS = "long"`` does so in the long tests.
    """
    wanted = getattr(metafunc.module, "REPLICAS", False)
    marks = [pytest.mark.long] if wanted == "long" else []
    replicas = [pytest.param("replicas", marks=marks)] if wanted else []
    for fixture, databases in (("served", ["sqlite", "postgresql"]), ("on_postgres", ["one"])):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, [*databases, *replicas], indirect=True, scope="module")


@pytest.fixture(scope="module")
def served(
    request: pytest.FixtureRequest,
    served_folder: Path,
    postgres_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Live]:
    """A running service; the tests of a module share it."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("served") / "project"
        shutil.copytree(served_folder, folder)
        with live(folder) as running:
            yield running
        return
    database = _database(postgres_server, request.module.__name__)
    start = two_replicas if request.param == "replicas" else live
    with start(served_folder, database) as running:
        yield running


@pytest.fixture(scope="module")
def on_postgres(
    request: pytest.FixtureRequest, served_folder: Path, postgres_server: str
) -> Iterator[Live]:
    """The same on PostgreSQL only."""
    database = _database(postgres_server, request.module.__name__)
    start = two_replicas if request.param == "replicas" else live
    with start(served_folder, database, **getattr(request.module, "SETTINGS", {})) as running:
        yield running


def _database(server: str, name: str) -> str:
    name = "live_" + name.rpartition(".")[2]
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"drop database if exists {name} with (force)"))
        connection.execute(sa.text(f"create database {name}"))
    engine.dispose()
    return str(sa.make_url(server).set(database=name).render_as_string(False))
