"""What was acknowledged is there, whatever dies."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import sqlalchemy as sa
import urllib3

from tests.live import Live, command, in_threads, item, live, prepare
from tests.postgres import Postgres, own_postgres

QUICK_ROUNDS, ROUNDS = 2, 20
CONNECTIONS = 12


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server that this test may stop."""
    with own_postgres() as server:
        yield server


class Load:
    """Clients that send one row after the other, and note what was acknowledged."""

    def __init__(self, url: str, key: str, n_items: int = 1) -> None:
        self.url, self.key, self.n_items = url, key, n_items
        self.acknowledged: list[str] = []
        self.refused: list[tuple[float, float, int]] = []
        """Of each other answer: when it was asked, when it came, its status."""
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(CONNECTIONS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for(self, n: int, seconds: float = 30) -> None:
        """Until so many were acknowledged."""
        end = time.monotonic() + seconds
        while len(self.acknowledged) < n:
            assert time.monotonic() < end, (len(self.acknowledged), self.refused[-3:])
            time.sleep(0.005)

    def _run(self, number: int) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=20)
        items = [item(f"load-{number}-{i}") for i in range(self.n_items)]
        body = json.dumps({"items": items}).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        while not self._stop.is_set():
            asked = time.monotonic()
            try:
                answer = pool.request(
                    "POST", f"{self.url}/v1/predictions", body=body, headers=headers
                )
            except (urllib3.exceptions.HTTPError, OSError):
                if self._stop.wait(0.02):
                    break
                continue
            if answer.status == 200:
                told = json.loads(answer.data)["predictions"]
                self.acknowledged += [prediction["prediction_id"] for prediction in told]
            else:
                self.refused.append((asked, time.monotonic(), answer.status))
                if answer.status == 503:
                    assert int(answer.headers["Retry-After"]) >= 1
                self._stop.wait(0.02)
        pool.clear()


def _recorded(url: str) -> list[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        found = connection.execute(sa.text("select prediction_id from predictions")).scalars()
        return list(found)


def _check(load: Load, url: str) -> None:
    recorded = _recorded(url)
    assert len(recorded) == len(set(recorded))
    assert len(load.acknowledged) == len(set(load.acknowledged))
    assert set(load.acknowledged) <= set(recorded)


def _kill_rounds(folder: Path, url: str, rounds: int) -> None:
    keys = prepare(folder, url)
    generator = random.Random(5)
    before = 0
    for _ in range(rounds):
        with (
            command(folder, url) as (process, address),
            Load(address, keys["all"], generator.choice([1, 1, 70])) as load,
        ):
            load.wait_for(100)
            time.sleep(generator.uniform(0.0, 0.2))  # somewhere within a commit
            process.send_signal(signal.SIGKILL)
            process.wait()
        _check(load, url)
        assert len(_recorded(url)) > before
        before = len(_recorded(url))


def test_killed_under_load_it_loses_nothing_acknowledged(
    served_folder: Path, postgres_url: str
) -> None:
    _kill_rounds(served_folder, postgres_url, QUICK_ROUNDS)


@pytest.mark.long
def test_killed_twenty_times_under_load(served_folder: Path, postgres_url: str) -> None:
    _kill_rounds(served_folder, postgres_url, ROUNDS)


def test_a_database_that_stops_is_told_within_two_seconds_and_comes_back(
    served_folder: Path, postgres: Postgres
) -> None:
    keys = prepare(served_folder, postgres.url)
    with (
        command(served_folder, postgres.url) as (process, address),
        Load(address, keys["all"]) as load,
    ):
        load.wait_for(100)
        postgres.stop()
        time.sleep(2)  # as long as an answer may take at most
        pool = urllib3.PoolManager(retries=False, timeout=5)
        ready = pool.request("GET", f"{address}/readyz")
        assert ready.status == 503
        assert json.loads(ready.data)["checks"]["database"] is False
        assert pool.request("GET", f"{address}/healthz").status == 200
        headers = {"Authorization": f"Bearer {keys['all']}"}
        told = pool.request("GET", f"{address}/v1/predictions", headers=headers)
        assert told.status == 503
        assert json.loads(told.data)["type"] == "/problems/storage-unreachable"
        assert b"127.0.0.1" not in told.data  # where the database is, is for the log
        pool.clear()
        memory = psutil.Process(process.pid).memory_info().rss
        time.sleep(0.5)
        assert psutil.Process(process.pid).memory_info().rss < memory + 20e6
        postgres.start()
        load.wait_for(len(load.acknowledged) + 100)
    assert load.refused
    assert {status for _, _, status in load.refused} == {503}
    assert max(came - asked for asked, came, _ in load.refused) < 2.0
    _check(load, postgres.url)


def test_a_database_that_hangs_is_told_within_two_seconds_and_comes_back(
    served_folder: Path, postgres: Postgres
) -> None:
    keys = prepare(served_folder, postgres.url)
    with (
        command(served_folder, postgres.url) as (_, address),
        Load(address, keys["all"]) as load,
    ):
        load.wait_for(100)
        with postgres.frozen():
            time.sleep(3)
        load.wait_for(len(load.acknowledged) + 100)
    assert {status for _, _, status in load.refused} == {503}
    assert max(came - asked for asked, came, _ in load.refused) < 2.0
    _check(load, postgres.url)


def test_a_full_queue_turns_away_at_once(served_folder: Path, postgres: Postgres) -> None:
    with live(
        served_folder, postgres.url, max_pending_rows=100, commit_timeout_seconds=20.0
    ) as served:
        assert served.predict(item()).status == 200
        with postgres.frozen():
            waiting = [
                threading.Thread(target=served.predict, args=[item()] * 10) for _ in range(10)
            ]
            for thread in waiting:
                thread.start()
            assert served.service is not None
            end = time.monotonic() + 10
            while served.service.writer.pending_rows < 100 and time.monotonic() < end:
                time.sleep(0.01)
            start = time.monotonic()
            told = served.predict(item())
            assert (told.status, told.kind) == (503, "ledger-busy")
            assert time.monotonic() - start < 1.0
        for thread in waiting:
            thread.join(30)
        assert served.predict(item()).status == 200
        assert served.service.writer.pending_rows == 0


def test_a_connection_that_the_server_ends_is_made_again(
    served_folder: Path, postgres_url: str
) -> None:
    with live(served_folder, postgres_url) as served:
        assert served.predict(item()).status == 200
        admin = psycopg2.connect(postgres_url.replace("+psycopg2", ""))
        admin.autocommit = True
        for _ in range(20):
            admin.cursor().execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = 'churnkit writer'"
            )
            _until_ok(served)
        admin.close()


def _until_ok(served: Live) -> None:
    end = time.monotonic() + 5
    while True:
        told = served.predict(item())
        if told.status == 200:
            return
        assert told.status == 503
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_ledger_refuses_a_row_and_the_others_of_the_commit_are_kept(
    served_folder: Path, postgres_url: str
) -> None:
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with live(served_folder, postgres_url) as served:
        with engine.begin() as connection:
            connection.execute(
                sa.text("alter table predictions add check (customer_id <> 'forbidden')")
            )
        names = ("a", "b", "forbidden", "c", "d")
        for _ in range(5):
            told = in_threads([lambda n=n: served.predict(item(n)).status for n in names])
            assert told == [200, 200, 422, 200, 200]
    engine.dispose()
