"""A batch goes on where it was, whatever dies; no row is lost, and none scored twice."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
import urllib3

from tests.live import Live, command, item, live, prepare
from tests.postgres import own_postgres

N = 1_200
QUICK = {"CHURNKIT_SERVICE_JOB_ROWS": "10", "CHURNKIT_SERVICE_JOB_LEASE_SECONDS": "2"}


def body(n: int = N) -> bytes:
    """A file of customers, one of them broken."""
    items = [item(f"c{i:05d}", tenure=i % 70) for i in range(n)]
    items[n // 2]["features"]["tenure"] = "x"
    return "\n".join(map(json.dumps, items)).encode()


def submit(served: Live, query: str = "", n: int = N) -> str:
    """Upload the file."""
    headers = {"Content-Type": "application/x-ndjson"}
    told = served.ask("POST", f"/v1/batches{query}", body(n), headers=headers)
    assert told.status == 202, told.content
    return str(told.json["id"])


def wait(served: Live, name: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The batch as soon as it is so."""
    end = time.monotonic() + 90
    batch: dict[str, Any] = {}
    while time.monotonic() < end:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            told = served.ask("GET", f"/v1/batches/{name}")
            if told.status == 200:
                batch = told.json
                if until(batch):
                    return batch
        time.sleep(0.01)
    raise AssertionError(batch)


def half(batch: dict[str, Any]) -> bool:
    return N // 5 < batch["done"] < N


def over(batch: dict[str, Any]) -> bool:
    return batch["state"] in ("finished", "failed", "cancelled")


def check(served: Live, name: str, url: str) -> None:
    """Each row is in the result once, in order, and in the ledger once, as the same prediction."""
    told = served.ask("GET", f"/v1/batches/{name}/result?format=ndjson")
    rows = [json.loads(line) for line in told.content.splitlines()]
    assert [row["row"] for row in rows] == [i + 1 for i in range(N) if i != N // 2]
    failed = served.ask("GET", f"/v1/batches/{name}/result?format=ndjson&rows=failed").content
    assert [json.loads(line)["row"] for line in failed.splitlines()] == [N // 2 + 1]
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = (
            "select prediction_id, customer_id, probability from predictions where request_id=:j"
        )
        recorded = connection.execute(sa.text(query), {"j": name}).all()
    engine.dispose()
    assert len(recorded) == N - 1
    assert {tuple(row) for row in recorded} == {
        (row["prediction_id"], row["customer_id"], row["probability"]) for row in rows
    }


def claims(url: str, name: str) -> int:
    """How often the job was taken."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.execute(sa.text("select claim from jobs where job_id=:j"), {"j": name})
        n = found.scalar_one()
    engine.dispose()
    return int(n)


@pytest.mark.long
def test_the_service_is_killed_and_another_one_goes_on(
    served_folder: Path, postgres_url: str
) -> None:
    keys = prepare(served_folder, postgres_url)
    with command(served_folder, postgres_url, **QUICK) as (process, address):
        served = Live(address, keys)
        name = submit(served)
        wait(served, name, half)
        children = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGKILL)
        process.wait()
        # An orphan ends by itself; even before, its lease keeps others away.
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive
    with live(served_folder, postgres_url, job_lease_seconds=2.0) as another:
        assert wait(another, name, over)["state"] == "finished"
        check(another, name, postgres_url)
    assert claims(postgres_url, name) == 2


@pytest.mark.long
def test_a_jobs_process_is_killed_and_the_same_service_goes_on(
    served_folder: Path, postgres_url: str
) -> None:
    with live(served_folder, postgres_url, job_rows=10) as served:
        name = submit(served)
        for _ in range(2):
            wait(served, name, half)
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "churnkit_service.job_process" in child.cmdline():
                        child.kill()
        assert wait(served, name, over)["state"] == "finished"
        check(served, name, postgres_url)
    assert claims(postgres_url, name) >= 2


@pytest.mark.long
def test_told_to_stop_it_leaves_the_batch_to_another_replica(
    served_folder: Path, postgres_url: str
) -> None:
    with live(served_folder, postgres_url, jobs=0) as other:
        with live(served_folder, postgres_url, job_rows=10) as served:
            name = submit(served)
            before = wait(served, name, half)
        left = other.ask("GET", f"/v1/batches/{name}").json
        assert left["state"] == "queued"
        assert left["done"] >= before["done"]
        with live(served_folder, postgres_url) as served:
            assert wait(served, name, over)["state"] == "finished"
            check(served, name, postgres_url)


def test_cancelled_in_the_middle_it_keeps_what_was_scored(
    served_folder: Path, postgres_url: str
) -> None:
    with live(served_folder, postgres_url, job_rows=1) as served:
        name = submit(served)
        # A row to a commit: there is enough left to cancel, however quick the machine is.
        wait(served, name, lambda batch: batch["done"] > 0)
        assert served.ask("GET", f"/v1/batches/{name}/result").kind == "job-active"
        assert served.ask("DELETE", f"/v1/batches/{name}").kind == "job-active"
        assert served.ask("POST", f"/v1/batches/{name}/cancel", key="read").status == 403
        assert served.ask("POST", f"/v1/batches/{name}/cancel").status == 200
        batch = wait(served, name, over)
        assert batch["state"] == "cancelled"
        assert 0 < batch["done"] < N
        told = served.ask("GET", f"/v1/batches/{name}/result?format=ndjson").content
        assert len(told.splitlines()) == batch["done"] - batch["failed"]
        again = served.ask("POST", f"/v1/batches/{name}/cancel").json
        assert (again["state"], again["done"]) == ("cancelled", batch["done"])


@pytest.mark.long
def test_of_two_replicas_each_takes_some_and_none_both(
    served_folder: Path, postgres_url: str
) -> None:
    with (
        live(served_folder, postgres_url, job_rows=10) as one,
        live(served_folder, postgres_url, job_rows=10) as two,
    ):
        names = [submit(one, n=400) for _ in range(4)]
        assert {wait(two, name, over)["state"] for name in names} == {"finished"}
    assert {claims(postgres_url, name) for name in names} == {1}


@pytest.mark.long
def test_the_database_stops_and_the_batch_goes_on_when_it_is_back(served_folder: Path) -> None:
    with (
        own_postgres() as server,
        live(served_folder, server.url, job_rows=10, job_lease_seconds=2.0) as served,
    ):
        name = submit(served)
        wait(served, name, half)
        server.stop("immediate")
        time.sleep(3)
        server.start()
        assert wait(served, name, over)["state"] == "finished"
        check(served, name, server.url)
