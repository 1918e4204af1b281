"""Scores on Spark are the local ones; the command for a cluster runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

import churnkit as ck
from churnkit.data.samples.locate import telco_path
from churnkit.errors import BundleError
from churnkit.features.offline import stream_features
from churnkit.features.requests import ask
from churnkit.features.toml import features_text
from churnkit.spark import job
from churnkit.spark.scoring import score_frame
from tests.conftest import NO_JAVA, has_java
from tests.features.event_logs import Event, Log, at, us
from tests.features.test_features_point_in_time import SMALL

CONF = (
    "--master local[1] --conf spark.sql.shuffle.partitions=1 --conf spark.ui.enabled=false "
    "--conf spark.sql.codegen.wholeStage=false pyspark-shell"
)
pytestmark = [
    pytest.mark.long,  # it starts a JVM
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("scored")
    lines = telco_path().read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "customers.csv").write_text("".join(lines[:1501]), encoding="utf-8")
    with ck.create_project(folder / "project", folder / "customers.csv").project as project:
        ck.train(project, budget_seconds=3, seed=1)
        yield project


def test_scores_on_spark_equal_local_ones(spark: Any, project: ck.Project) -> None:
    data = project.folder.parent / "customers.csv"
    local = ck.score(project, data, reasons=0).table
    version = project.ledger.model_version("v1")
    frame = spark.read.csv(str(data), header=True, inferSchema=True).repartition(3)
    found = score_frame(frame, project.bundle("v1"), manifest_hash=version.bundle_hash).toArrow()
    order = [("customer_id", "ascending")]
    found, wanted = found.sort_by(order), local.sort_by(order)
    for name in ("customer_id", "risk_band", "model_version"):
        assert found[name].to_pylist() == wanted[name].to_pylist()
    for one, other in zip(
        found["probability"].to_pylist(), wanted["probability"].to_pylist(), strict=True
    ):
        assert abs(one - other) <= 1e-12


def test_a_damaged_bundle_is_refused_before_anything_is_sent(
    spark: Any, project: ck.Project, tmp_path: Path
) -> None:
    broken = tmp_path / "v1"
    shutil.copytree(project.bundle("v1"), broken)
    with (broken / "schema.json").open("a") as file:
        file.write(" ")
    frame = spark.createDataFrame([("a",)], "customerID string")
    with pytest.raises(BundleError):
        score_frame(frame, broken)
    with pytest.raises(BundleError):
        score_frame(frame, project.bundle("v1"), manifest_hash="0" * 64)


def test_the_command_for_a_cluster_builds_the_same_features(tmp_path: Path) -> None:
    if not has_java():
        pytest.skip(NO_JAVA)
    now = us(2024, 6, 15)
    log = Log(tuple(Event("ann", now - days * 86_400_000_000) for days in range(30)))
    tables = tmp_path / "tables"
    tables.mkdir()
    for name, table in log.tables().items():
        parquet.write_table(table, tables / f"{name}.parquet")
    (tables / "log_schema.json").write_text(log.schema().model_dump_json(), encoding="utf-8")
    (tables / "features.toml").write_text(features_text(SMALL), encoding="utf-8")
    command = [
        sys.executable, str(Path(job.__file__)), "--tables", str(tables), "--as-of", "2024-06-15",
        "-o", str(tmp_path / "out"),
    ]  # fmt: skip
    env = {**os.environ, "PYSPARK_SUBMIT_ARGS": CONF}
    ran = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = parquet.read_table(tmp_path / "out")
    with log.connection() as connection:
        asked = ask(connection, "UTC", as_of=[at(now)])
        (batch,) = stream_features(connection, SMALL, log.schema(), asked)
    assert [row["n"] for row in found.to_pylist()] == [row["n"] for row in batch.to_pylist()]
    again = subprocess.run(
        [*command[:-4], "--as-of", "15.6.2024", *command[-2:]],
        capture_output=True, text=True, env=env, cwd=tmp_path,
    )  # fmt: skip
    assert again.returncode == 2
    assert "is no date" in again.stderr
