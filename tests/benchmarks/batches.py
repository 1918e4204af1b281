"""A million rows as one batch: the memory it takes, and what requests notice of it.

``python tests/benchmarks/batches.py [ROWS]`` starts the service on a PostgreSQL of its own, uploads
a CSV file, and prints rows per second, the peak of memory of the service and of the job's process
over their state before, and the latency of single predictions with and without the batch.
"""

from __future__ import annotations

import csv
import itertools
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import urllib3

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from churnkit.data.samples.locate import telco_path  # noqa: E402 - from a checkout
from tests.live import command, item, make_served_project, prepare  # noqa: E402
from tests.postgres import own_postgres  # noqa: E402

MB = 1 << 20


def write_customers(path: Path, n: int) -> None:
    """The sample's customers again and again, under other ids."""
    with telco_path().open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for i, row in zip(range(n), itertools.cycle(rows), strict=False):
            writer.writerow([f"c{i:08d}", *row[1:]])


class Peak:
    """The largest memory of a process and of its children, sampled."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.service = self.job = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.before = self._process.memory_info().rss

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.05):
            try:
                self.service = max(self.service, self._process.memory_info().rss)
                children = self._process.children()
                self.job = max([self.job, *(child.memory_info().rss for child in children)])
            except psutil.NoSuchProcess:
                pass


def latencies(pool: urllib3.PoolManager, url: str, headers: dict[str, str], over: object) -> str:
    """Single predictions, one after the other, until ``over``."""
    body = json.dumps({"items": [item()]}).encode()
    took = []
    while not over():  # type: ignore[operator]
        start = time.perf_counter()
        answer = pool.request(
            "POST", f"{url}/v1/predictions", body=body,
            headers={**headers, "Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.status == 200, answer.data
        took.append(1e3 * (time.perf_counter() - start))
        time.sleep(0.01)
    took.sort()
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    return f"p50 {p50:6.1f} ms, p99 {p99:6.1f} ms ({len(took):,} requests)"


def main(n: int) -> None:
    """Run it."""
    with tempfile.TemporaryDirectory() as home, own_postgres(durable=True) as server:
        folder, file = Path(home) / "project", Path(home) / "customers.csv"
        make_served_project(folder, ("gradient_boosting",))
        write_customers(file, n)
        keys = prepare(folder, server.url)
        headers = {"Authorization": f"Bearer {keys['all']}"}
        pool = urllib3.PoolManager(retries=False, timeout=600)
        with command(folder, server.url) as (process, url), Peak(process.pid) as peak:
            end = time.monotonic() + 5
            quiet = latencies(pool, url, headers, lambda: time.monotonic() > end)
            start = time.perf_counter()
            with file.open("rb") as body:
                told = pool.request(
                    "POST", f"{url}/v1/batches", body=body,
                    headers={**headers, "Content-Type": "text/csv"},
                )  # fmt: skip
            assert told.status == 202, told.data
            uploaded = time.perf_counter() - start
            address = f"{url}/v1/batches/{json.loads(told.data)['id']}"
            last: dict[str, object] = {}
            asked = [0.0]

            def over() -> bool:
                if time.monotonic() - asked[0] > 1:
                    asked[0] = time.monotonic()
                    last.update(json.loads(pool.request("GET", address, headers=headers).data))
                return last["state"] in ("finished", "failed")

            start = time.perf_counter()
            busy = latencies(pool, url, headers, over)
            took = time.perf_counter() - start
            assert last["state"] == "finished", last
            assert (last["rows"], last["failed"]) == (n, 0)
            start = time.perf_counter()
            n_bytes = {}
            for form in ("csv", "parquet"):
                got = pool.request(
                    "GET", f"{address}/result?format={form}", headers=headers, preload_content=False
                )
                n_bytes[form] = sum(len(piece) for piece in got.stream(MB))
                got.release_conn()
            fetched = time.perf_counter() - start
        size = file.stat().st_size
        print(f"{n:,} rows, {size / MB:.0f} MB of CSV")
        print(f"upload     {uploaded:6.1f} s  ({size / MB / uploaded:.0f} MB/s)")
        print(f"scoring    {took:6.1f} s  ({n / took:,.0f} rows/s, committed with the ledger)")
        print(
            f"results    {fetched:6.1f} s  "
            f"(CSV {n_bytes['csv'] / MB:.0f} MB, Parquet {n_bytes['parquet'] / MB:.0f} MB)"
        )
        print(
            f"memory     service {peak.before / MB:.0f} MB before, {peak.service / MB:.0f} MB at "
            f"its peak; the job's process {peak.job / MB:.0f} MB at its peak"
        )
        print(f"requests   without the batch {quiet}")
        print(f"           with the batch    {busy}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
