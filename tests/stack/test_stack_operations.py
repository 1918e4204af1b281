"""docs/operations.md: its commands run, and what they promise holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from churnkit_stack.finding import root

import churnkit as ck
from churnkit.client.blocking import Client
from churnkit.errors import FolderReadOnly, StorageError
from churnkit.ledger import migrations, store
from churnkit.ledger.engine import make_engine, migrate
from churnkit.ledger.schema import read_schema, step_back
from churnkit.ledger.store import Ledger
from churnkit.ledger.tables import Moment, metadata
from churnkit.usecases.models.publishing import publish
from churnkit.usecases.operating.online import open_for_service, serving_version
from tests.copies import copy_project
from tests.live import item, live, prepare
from tests.postgres import Postgres, own_postgres
from tests.stack.queries import rules

GUIDE = (root() / "docs/operations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


# --- the guide ---------------------------------------------------------------------------------


def test_each_alert_has_its_paragraph_and_leads_there() -> None:
    headings = re.findall(r"^### (\w+)$", GUIDE, re.MULTILINE)
    assert headings == [one.where for one in rules()]
    text = (root() / "packaging/prometheus/alerts.yml").read_text(encoding="utf-8")
    assert re.findall(r"runbook: docs/operations\.md#(\w+)", text) == [h.lower() for h in headings]


def test_tests_and_files_that_the_guide_names_are_there() -> None:
    for name in set(re.findall(r"`(test_\w+\.py)`", GUIDE)):
        assert list((root() / "tests").rglob(name)), name
    for target in re.findall(r"\]\(([^)#]+)\)", GUIDE):
        assert (root() / "docs" / target).resolve().exists(), target
    for path in re.findall(r"`(tests/[\w/]+\.py)`", GUIDE):
        assert (root() / path).exists(), path


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A PostgreSQL of the test's own."""
    with own_postgres() as running:
        yield running


@pytest.mark.long
def test_the_guides_commands_run_in_their_order_and_a_restored_ledger_goes_on(
    served_folder: Path, server: Postgres, tmp_path: Path
) -> None:
    folder = copy_project(served_folder, tmp_path / "project")
    url = server.url
    prepare(folder, url)
    with live(folder, url) as served:
        ids = [
            served.predict(item(f"c{i}")).json["predictions"][0]["prediction_id"] for i in range(20)
        ]
    work = tmp_path / "work"
    work.mkdir()
    plain = url.replace("+psycopg2", "")
    environ = {
        **os.environ,
        "PATH": os.pathsep.join(
            [str(Path(sys.executable).parent), str(server.programs), os.environ["PATH"]]
        ),
        "DATABASE_URL": plain,
        "RESTORED_URL": plain.replace("/postgres", "/restored"),
        "PROJECT": str(folder),
        "CUSTOMER": "c3",
    }
    script = "\n".join(["set -eux", *BLOCKS])
    ran = subprocess.run(
        ["bash", "-c", script], cwd=work, env=environ, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    restored = environ["RESTORED_URL"].replace("postgresql://", "postgresql+psycopg2://")
    assert _predictions(restored) == set(ids)
    assert len(_predictions(url)) == 19  # one customer was erased, behind the backup
    # A service on the restored ledger: its history is there, and what is new is taken in.
    with live(folder, restored, refresh_seconds=0.1) as served:
        assert served.ask("GET", f"/v1/predictions/{ids[3]}").status == 200
        fresh = served.predict(item("c3", tenure=60)).json["predictions"][0]
        with Client(served.url, key=served.keys["all"]) as client:
            end = time.monotonic() + 30
            while True:
                latest = {
                    one.prediction_id
                    for one in client.customers(prefix="c3")
                    if one.customer_id == "c3"
                }
                if latest == {fresh["prediction_id"]}:
                    break
                assert time.monotonic() < end, "what is new was not taken in"
                time.sleep(0.1)
            assert client.verify_models(files=True).ok


def _predictions(url: str) -> set[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.execute(sa.text("select prediction_id from predictions")).scalars()
        ids = set(found)
    engine.dispose()
    return ids


def test_what_was_tampered_with_in_a_backup_is_found(
    served_folder: Path, postgres_url: str
) -> None:
    prepare(served_folder, postgres_url)
    with live(served_folder, postgres_url) as served:
        with Client(served.url, key=served.keys["all"]) as client:
            assert client.verify_models(files=True).ok
        engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
        with engine.begin() as connection:  # as who edits a dump would
            connection.execute(sa.text("alter table journal disable trigger all"))
            connection.execute(sa.text("update journal set why = 'nothing' where sequence = 1"))
        engine.dispose()
        with Client(served.url, key=served.keys["all"]) as client:
            assert not client.verify_models().ok


def test_a_folder_that_may_only_be_read_and_is_of_an_earlier_version_keeps_nobody_from_serving(
    served_folder: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(served_folder, postgres_url)

    def refuse(engine: sa.Engine) -> None:  # as a container finds it, behind an upgrade
        if engine.dialect.name == "sqlite":
            raise FolderReadOnly("churnkit may not write the ledger.")
        migrate(engine)

    monkeypatch.setattr(store, "migrate", refuse)
    with open_for_service(served_folder, postgres_url) as project:
        (note,) = publish(served_folder, project)
        assert "nothing was taken over" in note
        assert serving_version(project) == "v1"


# --- upgrades ----------------------------------------------------------------------------------

AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return config


def _at_first_version(engine: sa.Engine) -> None:
    config = _config()
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    predictions = sa.table(
        "predictions",
        *(
            sa.column(name)
            for name in ("prediction_id", "customer_id", "model_version", "probability",
                         "risk_band", "variant", "reasons")
        ),
        sa.column("made_at", Moment),
    )  # fmt: skip
    rows = [
        {
            "prediction_id": f"p{i}", "customer_id": f"c{i % 3}", "model_version": "v1",
            "probability": i / 10, "risk_band": "low", "variant": "champion", "reasons": "[]",
            "made_at": AT.replace(minute=i),
        }
        for i in range(9)
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(sa.insert(predictions), rows)


def _rows(engine: sa.Engine) -> list[tuple[object, ...]]:
    query = sa.text(
        "select prediction_id, customer_id, model_version, probability, risk_band, variant, "
        "made_at, reasons from predictions order by prediction_id"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_a_ledger_of_the_first_version_comes_forward_with_its_data_and_one_step_back(
    empty_url: str,
) -> None:
    engine = make_engine(empty_url)
    _at_first_version(engine)
    before = _rows(engine)
    assert len(before) == 9
    assert read_schema(engine).current == "0001"
    migrate(engine)
    known = read_schema(engine)
    assert known.current == known.newest
    assert _rows(engine) == before
    assert set(metadata.tables) <= set(sa.inspect(engine).get_table_names())
    # One step back, as before an older version is installed again; and forward once more.
    assert known.back is not None, "the newest migration has no way back"
    assert step_back(engine) == (known.newest, known.back)
    assert read_schema(engine).current == known.back
    assert _rows(engine) == before
    with Ledger.open(empty_url) as ledger:
        assert read_schema(engine).current == known.newest
        assert _rows(engine) == before
        assert len(ledger.journal()) == 0
    engine.dispose()


def test_every_step_back_that_there_is_can_be_gone_and_the_others_are_refused(
    empty_url: str,
) -> None:
    engine = make_engine(empty_url)
    _at_first_version(engine)
    before = _rows(engine)
    script = ScriptDirectory.from_config(_config())
    for step in reversed(list(script.walk_revisions())):
        if step.revision == "0001":
            continue
        config = _config()
        with engine.connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, step.revision)
        if not hasattr(step.module, "downgrade"):
            with pytest.raises(StorageError, match="would be lost"):
                step_back(engine)
            continue
        tables = _tables(engine)
        assert step_back(engine)[0] == step.revision
        config = _config()
        with engine.connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, step.revision)
        assert _tables(engine) == tables, step.revision
        assert _rows(engine) == before, step.revision
    engine.dispose()


def _tables(engine: sa.Engine) -> dict[str, set[str]]:
    look = sa.inspect(engine)
    return {
        name: {column["name"] for column in look.get_columns(name)}
        for name in look.get_table_names()
    }


@pytest.mark.long
def test_the_command_shows_the_version_and_asks_before_it_goes_back(
    served_folder: Path, tmp_path: Path
) -> None:
    folder = copy_project(served_folder, tmp_path / "project")

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "churnkit", "-C", str(folder), *words],
            capture_output=True, text=True, check=False, input="n\n",
        )  # fmt: skip

    shown = json.loads(call("--json", "ledger", "schema").stdout)
    assert shown["current"] == shown["newest"]
    refused = call("ledger", "back")
    assert refused.returncode != 0 and "backup" in refused.stderr
    gone = call("ledger", "back", "--yes")
    assert gone.returncode == 0 and shown["back"] in gone.stdout
    assert json.loads(call("--json", "ledger", "schema").stdout)["current"] == shown["back"]
    with ck.open_project(folder) as project:
        assert project.ledger.model_versions()
    assert json.loads(call("--json", "ledger", "schema").stdout)["current"] == shown["newest"]
