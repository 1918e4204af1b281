"""A service on each database that it runs on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.copies import copy_project
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
    database_maker: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Live]:
    """A running service; the tests of a module share it."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("served") / "project"
        copy_project(served_folder, folder)
        with live(folder) as running:
            yield running
        return
    start = two_replicas if request.param == "replicas" else live
    with start(served_folder, database_maker()) as running:
        yield running


@pytest.fixture(scope="module")
def on_postgres(
    request: pytest.FixtureRequest, served_folder: Path, database_maker: Callable[[], str]
) -> Iterator[Live]:
    """The same on PostgreSQL only."""
    start = two_replicas if request.param == "replicas" else live
    with start(
        served_folder, database_maker(), **getattr(request.module, "SETTINGS", {})
    ) as running:
        yield running
