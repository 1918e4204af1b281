"""A local Spark, started once per test process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from churnkit.spark.session import get_session
from tests.conftest import NO_JAVA, has_java


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not has_java():
        pytest.skip(NO_JAVA)
    folder: Path = tmp_path_factory.mktemp("spark")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = get_session(
            master="local[2]",
            spark__ui__enabled="false",
            spark__sql__shuffle__partitions="2",
            spark__driver__host="127.0.0.1",
            spark__driver__bindAddress="127.0.0.1",
            spark__local__dir=str(folder),
            spark__sql__warehouse__dir=str(folder / "warehouse"),
            # Tiny tables: compiling whole stages would take most of the time.
            spark__sql__codegen__wholeStage="false",
            spark__sql__adaptive__enabled="false",
            spark__log__level="ERROR",
        )
        yield session
        session.stop()
