"""Jobs through the typed clients, and what is counted of them."""

from __future__ import annotations

import asyncio
import csv
import json
import time
from pathlib import Path

import pytest

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.blocking import Client
from churnkit.client.messages.batches import Batch
from churnkit.errors import DataUnreadable, ServiceRefused, ServiceUnreachable
from tests.live import Live, item

REPLICAS = "long"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three customers, one of whom cannot be scored."""
    items = [item("a"), item("b", tenure="x"), item("c")]
    path = tmp_path / "customers.ndjson"
    path.write_text("\n".join(map(json.dumps, items)), encoding="utf-8")
    return path


def test_a_file_from_a_path(served: Live, file: Path, tmp_path: Path) -> None:
    seen: list[Batch] = []
    with Client(served.url, key=served.keys["all"]) as client:
        batch = client.batches.submit(file, reasons=1)
        assert batch.state == "queued"
        batch = client.batches.wait_for(batch, timeout_seconds=60, progress=seen.append)
        assert (batch.state, batch.done, batch.failed) == ("finished", 3, 1)
        assert seen[-1] == batch
        assert batch.errors[0].customer_id == "b"
        scores = client.batches.result(batch.id, tmp_path / "scores.csv")
        with scores.open(encoding="utf-8", newline="") as stream:
            assert [row["customer_id"] for row in csv.DictReader(stream)] == ["a", "c"]
        failed = client.batches.result(
            batch.id, tmp_path / "f.ndjson", format="ndjson", rows="failed"
        )
        assert json.loads(failed.read_text(encoding="utf-8"))["row"] == 2
        assert batch.id in [one.id for one in client.batches.list(page_size=1)]
        client.batches.delete(batch.id)
        with pytest.raises(ServiceRefused) as caught:
            client.batches.result(batch.id, tmp_path / "scores.csv")
        assert caught.value.where["type"] == "/problems/unknown-job"
        assert len(scores.read_bytes().splitlines()) == 3  # what was there stays
        with pytest.raises(DataUnreadable):
            client.batches.submit(tmp_path / "nowhere.csv")


def test_pieces_from_asyncio(served: Live, file: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncClient(served.url, key=served.keys["all"]) as client:
            pieces = (bytes([byte]) for byte in file.read_bytes())
            batch = await client.batches.submit(pieces, format="ndjson", record=False)
            batch = await client.batches.wait_for(batch, timeout_seconds=60)
            assert (batch.state, batch.done, batch.failed) == ("finished", 3, 1)
            scores = await client.batches.result(batch.id, tmp_path / "s.parquet", format="parquet")
            assert scores.read_bytes()[:4] == b"PAR1"
            assert (await client.batches.cancel(batch.id)).state == "finished"
            assert batch.id in [one.id async for one in client.batches.list(state="finished")]
            await client.batches.delete(batch.id)
            with pytest.raises(ServiceRefused):
                await client.batches.show(batch.id)

    asyncio.run(main())


def test_waiting_ends(served: Live) -> None:
    at = "2026-01-01T00:00:00Z"
    batch = Batch(
        id="0" * 32, state="queued", created_at=at, format="csv", record=True, reasons=0,
        on_error="skip", done=0, failed=0,
    )  # fmt: skip
    with Client(served.url, key=served.keys["all"]) as client, pytest.raises(ServiceUnreachable):
        client.batches.wait_for(batch, timeout_seconds=0)


def test_jobs_are_counted(served: Live, file: Path) -> None:
    def figure(name: str) -> float:
        texts = [one.ask("GET", "/metrics").content.decode() for one in served.each]
        found = [line for text in texts for line in text.splitlines() if line.startswith(name)]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    done = 'churnkit_job_rows_total{kind="batch",outcome="scored"}'
    failed = 'churnkit_job_rows_total{kind="batch",outcome="failed"}'
    over = 'churnkit_jobs_ended_total{ending="finished",kind="batch"}'
    before = figure(done), figure(failed), figure(over)
    with Client(served.url, key=served.keys["all"]) as client:
        client.batches.wait_for(client.batches.submit(file))
    end = time.monotonic() + 10
    while (figure(done), figure(failed), figure(over)) != (
        before[0] + 2, before[1] + 1, before[2] + 1
    ):  # fmt: skip
        assert time.monotonic() < end
        time.sleep(0.05)
    assert figure('churnkit_jobs{kind="batch",state="queued"}') == 0


@pytest.fixture
def learnable(tmp_path: Path) -> Path:
    """Customers, some of whom left."""
    rows = ["id,tenure,plan,churn"]
    rows += [f"c{i},{i % 40},{'ab'[i % 2]},{'yes' if i % 40 < 9 else 'no'}" for i in range(200)]
    path = tmp_path / "learn.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_data_sets_and_what_is_made_of_them(served: Live, learnable: Path, tmp_path: Path) -> None:
    with Client(served.url, key=served.keys["all"]) as client:
        data = client.datasets.submit(learnable, name="mine", target="churn", positive="yes")
        data = client.datasets.wait_for(data, timeout_seconds=60)
        assert (data.state, data.name, data.n_rows) == ("finished", "mine", 200), data.error
        assert client.datasets.profile(data.id).n_positive == 45
        work = client.features.wait_for(client.features.submit(data.id), timeout_seconds=60)
        assert work.state == "failed"
        assert work.error is not None
        assert work.error.type == "/problems/feature-error"
        report = client.reports.wait_for(client.reports.submit(), timeout_seconds=60)
        assert report.state == "failed"
        with pytest.raises(ServiceRefused) as caught:
            client.reports.content(report.id, tmp_path / "r.html")
        assert caught.value.where["status"] == 409
        client.datasets.delete(data.id)
        with pytest.raises(ServiceRefused):
            client.trainings.submit(data.id)


@pytest.mark.long
def test_the_same_from_asyncio(served: Live, learnable: Path) -> None:
    async def main() -> None:
        async with AsyncClient(served.url, key=served.keys["all"]) as client:
            data = await client.datasets.submit(learnable, target="churn", positive="yes")
            data = await client.datasets.wait_for(data, timeout_seconds=60)
            assert (await client.datasets.profile(data.id)).n_rows == 200
            asked = {"budget_seconds": 4.0, "candidates": ("logistic_regression",)}
            job = await client.trainings.submit(data.id, **asked)
            job = await client.trainings.wait_for(job, timeout_seconds=60)
            assert job.state == "finished", job.error
            assert job.result is not None
            assert job.result.alias == "challenger"
            newest = await anext(client.trainings.list())
            assert newest.id == job.id

    asyncio.run(main())
