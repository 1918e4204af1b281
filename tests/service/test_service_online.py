"""Customers who are only named: their features come from the online state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import churnkit as ck
from churnkit.client.blocking import Client
from tests.copies import copy_project
from tests.live import Live, live
from tests.online_project import END


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, online_folder: Path) -> Path:
    """A project of the first customers of CDNOW, with a champion and online states."""
    return copy_project(online_folder, tmp_path_factory.mktemp("online") / "project")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Live]:
    with live(folder) as served:
        yield served


def test_a_named_customer_is_scored_as_the_log_says(running: Live, folder: Path) -> None:
    with ck.open_project(folder) as project:
        table = ck.score(project, as_of="1998-06-30", reasons=0).table
    assert table is not None
    wanted = dict(
        zip(table["customer_id"].to_pylist(), table["probability"].to_pylist(), strict=True)
    )
    ids = list(wanted)[:50]
    told = running.predict(*({"customer_id": one} for one in ids), as_of=END.isoformat())
    assert told.status == 200, told.content
    for one in told.json["predictions"]:
        assert one["probability"] == pytest.approx(wanted[one["customer_id"]], abs=1e-12)
    first = told.json["predictions"][0]["prediction_id"]
    recorded = running.ask("GET", f"/v1/predictions/{first}").json
    assert datetime.fromisoformat(recorded["as_of"]) == END


def test_events_change_what_is_answered(running: Live, folder: Path) -> None:
    now = END + timedelta(days=1)
    ask = {"customer_id": "00001"}
    (before,) = running.predict(ask, as_of=now.isoformat()).json["predictions"]
    event = {**ask, "event_time": now.isoformat(), "dollar_value": 30.0, "number_of_cds": 2}
    with ck.open_project(folder) as project:
        assert ck.receive_events(project, [event], now=now).new == 1
    (after,) = running.predict(ask, as_of=now.isoformat()).json["predictions"]
    assert after["probability"] < before["probability"]  # who has just bought stays


def test_a_customer_without_events_is_named_and_the_others_are_scored(running: Live) -> None:
    asked = ({"customer_id": "00002"}, {"customer_id": "nobody"})
    told = running.predict(*asked, as_of=END.isoformat(), on_error="skip")
    assert told.status == 200
    assert [one["customer_id"] for one in told.json["predictions"]] == ["00002"]
    (fault,) = told.json["errors"]
    assert (fault["item"], fault["field"]) == (1, "features")
    refused = running.predict(*asked, as_of=END.isoformat())
    assert refused.status == 422


def test_a_moment_that_was_summed_up_is_a_problem(running: Live) -> None:
    told = running.predict({"customer_id": "00002"}, as_of="1998-01-01T00:00:00+00:00")
    assert (told.status, told.kind) == (422, "moment-too-old")


@pytest.mark.parametrize("kind", ["text/csv", "application/x-ndjson"])
def test_a_batch_may_name_its_customers_alone(running: Live, kind: str) -> None:
    names = ["00002", "nobody", "00003"]
    if kind == "text/csv":
        body = "\n".join(["customer_id", *names])
    else:
        body = "\n".join(f'{{"customer_id": "{name}"}}' for name in names)
    when = END.strftime("%Y-%m-%dT%H:%M:%SZ")
    with Client(running.url, key=running.keys["all"]) as client:
        batch = client.batches.submit(
            [body.encode()], format="csv" if kind == "text/csv" else "ndjson", as_of=END
        )
        batch = client.batches.wait_for(batch, timeout_seconds=60)
        assert (batch.state, batch.done, batch.failed) == ("finished", 3, 1), batch.error
        assert batch.errors[0].customer_id == "nobody"
    told = running.ask("GET", f"/v1/batches/{batch.id}/result?format=ndjson").content
    scored = [json.loads(line) for line in told.splitlines()]
    one, two = running.predict({"customer_id": "00002"}, {"customer_id": "00003"}, as_of=when).json[
        "predictions"
    ]
    assert [row["probability"] for row in scored] == [one["probability"], two["probability"]]
    recorded = running.ask("GET", f"/v1/predictions/{scored[0]['prediction_id']}").json
    assert datetime.fromisoformat(recorded["as_of"]) == END
