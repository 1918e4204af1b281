"""Not a byte of an erased customer is left where churnkit writes, on either database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from churnkit.domain.outcomes import Outcome, Treatment
from churnkit.ledger import erasers
from churnkit.ledger.outcomes import record_outcomes, record_treatments
from churnkit.ledger.tables import metadata
from churnkit.project import Project
from churnkit.usecases.erasing.verbs import erase
from tests.outcomes.projects import MARCH, bare_project, prediction
from tests.postgres import Postgres, own_postgres

NAME, OTHER = "7590-VHVEG", "5575-GNVDE"
NOW = datetime(2026, 8, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of its own: its files are looked through."""
    with own_postgres() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path, server: Postgres) -> Iterator[Project]:
    url = server.url if request.param == "postgresql" else f"sqlite:///{tmp_path / 'l.sqlite'}"
    with bare_project(tmp_path / "project", url) as opened:
        _fill(opened)
        yield opened


def _fill(project: Project) -> None:
    """Him and somebody else in every table that may name a customer."""
    engine = project.ledger.engine
    names = [NAME, OTHER]
    project.ledger.record_predictions([prediction(f"p-{n}", n, MARCH) for n in names])
    record_outcomes(engine, [Outcome(n, True, "t", as_of=MARCH) for n in names], now=NOW)
    record_treatments(
        engine, [Treatment(f"t-{i}", n, MARCH, "", "", "t") for i, n in enumerate(names)], now=NOW
    )
    for table in metadata.tables.values():
        if table.name in ("predictions", "outcomes", "treatments"):
            continue
        for n, name in enumerate(names):
            values = _named(table, name, n)
            if values is not None:
                with project.ledger.writing() as connection:
                    connection.execute(sa.insert(table), values)


def _named(table: sa.Table, name: str, n: int) -> dict[str, object] | None:
    """A row of any table that knows customers, with a name wherever one may stand."""
    known = "customer_id" in table.c or table.name in erasers.ERASERS
    if not known:
        return None
    values: dict[str, object] = {}
    for column in table.c:
        if column.name == "customer_id":
            values[column.name] = name
        elif column.name == "prediction_id":
            values[column.name] = f"p-{name}"
        elif isinstance(column.type, sa.LargeBinary):
            values[column.name] = json.dumps({"customer_id": name}).encode()
        elif table.name in erasers.ERASERS and isinstance(column.type, sa.Text | sa.JSON):
            values[column.name] = json.dumps({"customer_id": name})
        elif column.nullable or column.autoincrement is True:
            continue
        elif isinstance(column.type, sa.String):
            values[column.name] = str(n)
        elif isinstance(column.type, sa.Boolean):
            values[column.name] = False
        elif isinstance(column.type, sa.Double | sa.Numeric | sa.Integer):
            values[column.name] = n
        else:
            values[column.name] = NOW
    return values


def _tables_naming(project: Project, name: str) -> set[str]:
    found = set()
    with project.ledger.reading() as connection:
        for table in metadata.tables.values():
            rows = connection.execute(sa.select(table)).all()
            if name in repr(
                [[bytes(v) if isinstance(v, memoryview) else v for v in r] for r in rows]
            ):
                found.add(table.name)
    return found


def _files_naming(folder: Path, name: str) -> list[str]:
    """Files with these bytes; PostgreSQL's log is not one of them, see docs/operations."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "pg_wal" not in path.parts]
    return [str(path) for path in paths if name.encode() in path.read_bytes()]


def test_no_table_and_no_file_names_him(project: Project, server: Postgres, tmp_path: Path) -> None:
    on_postgres = project.ledger_url.startswith("postgres")
    expected = {
        "predictions", "outcomes", "treatments", "idempotency", "happenings", "jobs", "job_files",
        "latest_scores", "online_state", "rollout_overrides",
    }  # fmt: skip
    assert expected <= _tables_naming(project, NAME)
    if on_postgres:
        # Statistics quote frequent values.
        with project.ledger.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        ) as connection:
            connection.execute(sa.text("analyze"))
            connection.execute(sa.text("checkpoint"))
        assert _files_naming(server.data / "base", NAME)
    done = erase(project, NAME, rewrite=True, now=NOW)
    assert _tables_naming(project, NAME) == set()
    assert _tables_naming(project, OTHER) >= expected
    assert (done.clean and "log (WAL)" in done.note) or not on_postgres
    if on_postgres:
        with project.ledger.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        ) as connection:
            connection.execute(sa.text("checkpoint"))
        assert _files_naming(server.data, NAME) == []
        assert _files_naming(server.data / "base", OTHER)  # what is left is found this way
    project.close()
    assert _files_naming(tmp_path, NAME) == []
