"""An erased customer is not scored again: by requests, files, the command line, or a broker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa
from churnkit_service.broker.delivery import Delivery
from churnkit_service.broker.reasons import letter
from churnkit_service.problems import CustomerErased, RequestInvalid

import churnkit as ck
from churnkit.ledger.tables import metadata
from churnkit.project import Project
from churnkit.usecases.erasing.verbs import erase
from churnkit.usecases.operating.online import open_for_service
from churnkit.usecases.suppressing import KnownErasures
from tests.copies import copy_project
from tests.live import Live, item, live
from tests.service.test_service_batches import as_csv, customers, ended, lines, result, upload

NAME, OTHER = "7590-VHVEG", "5575-GNVDE"


@pytest.fixture(params=["sqlite", "postgresql"])
def running(
    request: pytest.FixtureRequest, served_folder: Path, tmp_path: Path
) -> Iterator[tuple[Live, Project]]:
    """A service, and its project as somebody on another machine opens it."""
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    url = str(request.getfixturevalue("postgres_url")) if request.param == "postgresql" else ""
    with live(folder, url, reload_seconds=0.2) as served, open_for_service(folder, url) as project:
        table = project.settings.service.model_copy(update={"reload_seconds": 0.2})
        project.settings = project.settings.model_copy(update={"service": table})
        yield served, project


def _rows(project: Project) -> str:
    parts = []
    with project.ledger.reading() as connection:
        for table in metadata.tables.values():
            parts += [repr(tuple(row)) for row in connection.execute(sa.select(table))]
    return "\n".join(parts)


def test_he_is_forgotten_while_he_is_scored_and_refused_from_then_on(
    running: tuple[Live, Project],
) -> None:
    served, project = running
    assert served.service is not None and served.service.erased.asks is False
    over, statuses = threading.Event(), []

    def go_on_scoring() -> None:
        while not over.is_set():
            told = served.predict(item(NAME), item(OTHER))
            statuses.append(told.status)

    thread = threading.Thread(target=go_on_scoring)
    thread.start()
    while not statuses:
        time.sleep(0.01)
    try:
        done = erase(project, NAME)
    finally:
        over.set()
        thread.join()
    assert statuses[0] == 200 and statuses[-1] == 422 and set(statuses) == {200, 422}
    assert done.rows["predictions"] > 0
    told = served.predict(item(OTHER), item(NAME))
    assert (told.status, told.kind) == (422, "customer-erased")
    assert [fault["item"] for fault in told.json["errors"]] == [1]
    assert NAME.encode() not in told.content
    told = served.predict(
        item(NAME), item(OTHER), on_error="skip", headers={"Idempotency-Key": "k"}
    )
    assert [one["customer_id"] for one in told.json["predictions"]] == [OTHER]
    assert [one["item"] for one in told.json["errors"]] == [0] and NAME.encode() not in told.content
    told = served.predict(item(NAME), on_error="skip")
    assert told.status == 200 and told.json["predictions"] == []
    assert NAME not in _rows(project) and OTHER in _rows(project)
    # Nor is he in a file of a project that has trained, been published, and has served.
    project.close()
    found = [path for path in project.folder.rglob("*") if path.is_file()]
    assert [path for path in found if NAME.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("running", ["postgresql"], indirect=True)
def test_a_file_of_customers_sets_him_aside(running: tuple[Live, Project]) -> None:
    served, project = running
    erase(project, NAME)
    rows = customers(20)
    rows[5] = {**rows[5], "customerID": NAME, "tenure": "many"}  # broken, and his
    batch = ended(served, upload(served, as_csv(rows)))
    assert batch["state"] == "finished" and batch["failed"] == 2, batch
    scored = lines(result(served, batch))
    assert len(scored) == 18 and NAME not in json.dumps(scored)
    failed = lines(result(served, batch, "format=ndjson&rows=failed"))
    assert [row["reason"] for row in failed] == ["this customer was erased."] * 2
    items = "".join(json.dumps(item(name)) + "\n" for name in (NAME, OTHER)).encode()
    batch = ended(served, upload(served, items, "application/x-ndjson"))
    assert [row["customer_id"] for row in lines(result(served, batch))] == [OTHER]
    strict = ended(served, upload(served, items, "application/x-ndjson", "?on_error=fail"))
    assert strict["state"] == "failed" and NAME not in json.dumps(strict)
    assert NAME not in _rows(project)


def test_scoring_a_table_leaves_him_out(running: tuple[Live, Project], tmp_path: Path) -> None:
    _, project = running
    erase(project, NAME)
    output = tmp_path / "scores.csv"
    table = pa.Table.from_pylist(customers(20))
    done = ck.score(project, table, output, record=True)
    assert (done.n_rows, done.n_erased) == (19, 1)
    assert "erased: 1" in str(done)
    assert NAME not in output.read_text(encoding="utf-8") and NAME not in _rows(project)
    with pytest.raises(ck.errors.DataEmpty, match="were erased"):
        ck.score(project, table.slice(0, 1), record=True)


def test_a_dead_letter_does_not_quote_him() -> None:
    delivery = Delivery("requests", json.dumps({"items": [item(NAME)]}).encode(), "m1", 1)
    body, headers = letter(delivery, CustomerErased("item 0: this customer was erased."))
    assert body == b"" and NAME not in repr(headers)
    assert headers["Churnkit-Reason"] == "customer-erased"
    assert letter(delivery, RequestInvalid("no."))[0] == delivery.body


def test_where_nobody_was_erased_nobody_is_asked(served_folder: Path) -> None:
    known = KnownErasures()
    assert known.asks and not known.known  # not read yet: nothing may be answered
    with ck.open_project(served_folder) as project:
        known.refresh(project)
    assert known.known and not known.asks and known.places([NAME]) == []
