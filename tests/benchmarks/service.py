"""How fast the service answers, against its peers in the same run.

Run it with ``python tests/benchmarks/service.py [--seconds 6] [--rounds 3]``. Every server is
one process; PostgreSQL writes through to the disk; the load comes from a process of its own.

All write into one table, ``predictions`` of the migrated ledger, with all of its indexes, on one
server with one set of settings. The bare COPY makes its rows (identifiers, text) as it goes and
commits 1,000 at a time on one connection; the service reads and scores them, too, and has four
connections in flight. While the service runs it also refreshes the latest scores and feeds the
drift tests: that is in its figures, and in PostgreSQL's. Ratios are taken round by round, so that
a noisy machine hurts both sides, and their median is shown. Where other work keeps processors or
disk busy, the rates tell more of that work; the ratios of CPU time are steadier.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
from pyarrow import csv
from rich.console import Console
from rich.table import Table

import churnkit as ck
from churnkit.data.samples.locate import telco_path
from churnkit.training import fit
from churnkit.training.candidates import gradient_boosting
from churnkit.usecases.models.publishing import publish
from churnkit.usecases.operating.keys import create_key
from churnkit.usecases.operating.online import open_for_service

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.postgres import own_postgres  # noqa: E402 - from a checkout, not an installation

HERE = Path(__file__).parent
CONNECTIONS = 16
ROWS = 1_000
COLUMNS = (
    "prediction_id", "customer_id", "model_version", "probability", "risk_band", "variant",
    "made_at", "reasons", "request_id",
)  # fmt: skip


def make_project(folder: Path) -> None:
    """A project whose champion is gradient boosting with 200 trees on 19 columns."""
    defaults = {**gradient_boosting.CANDIDATE.defaults, "n_estimators": 200}
    gradient_boosting.CANDIDATE = dataclasses.replace(
        gradient_boosting.CANDIDATE, defaults=defaults
    )
    project = ck.create_project(folder, telco_path()).project
    training = project.settings.training.model_copy(update={"candidates": ("gradient_boosting",)})
    project.settings = project.settings.model_copy(update={"training": training})
    search = fit.search
    fit.search = lambda *data, **options: search(
        *data, **{**options, "budget_seconds": None, "max_trials": 1}
    )
    with project:
        ck.train(project)


def make_bodies(folder: Path, project: Path) -> tuple[Path, Path]:
    """Requests with one row, and with many."""
    from churnkit.usecases.models.serving import load_predictor

    with ck.open_project(project) as opened:
        names = load_predictor(opened)[1].schema.names()
    rows = csv.read_csv(telco_path()).to_pylist()
    items = [
        {"customer_id": row["customerID"], "features": {name: row[name] for name in names}}
        for row in rows
        if str(row["TotalCharges"]).strip()  # the usual pipeline fails on a lone missing number
    ][: 2 * ROWS]
    for item in items:
        item["features"]["TotalCharges"] = float(item["features"]["TotalCharges"])
    one, many = folder / "one.ndjson", folder / "many.ndjson"
    one.write_text("\n".join(json.dumps({"items": [item]}) for item in items))
    many.write_text("\n".join(json.dumps({"items": items[i : i + ROWS]}) for i in (0, ROWS)))
    return one, many


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, **environ: str) -> Iterator[psutil.Process]:
    """A server in a process of its own."""
    process = subprocess.Popen([sys.executable, *command], env={**os.environ, **environ}, cwd=ROOT)
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1):
                    break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def cpu_seconds(process: psutil.Process) -> float:
    """What a process has used so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def postgres_seconds(server: psutil.Process) -> float:
    """What PostgreSQL's processes have used so far."""
    used = 0.0
    for process in (server, *server.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            used += cpu_seconds(process)
    return used


def measure(
    process: psutil.Process,
    postgres: psutil.Process,
    port: int,
    bodies: Path,
    seconds: float,
    connections: int,
    *headers: str,
) -> dict[str, float]:
    """One round of load on one server."""
    url = f"http://127.0.0.1:{port}/v1/predictions"
    before, database_before = cpu_seconds(process), postgres_seconds(postgres)
    ran = subprocess.run(
        [sys.executable, HERE / "load.py", url, bodies, str(seconds), str(connections), *headers],
        capture_output=True,
        text=True,
        check=True,
    )
    told: dict[str, float] = json.loads(ran.stdout)
    used = cpu_seconds(process) - before
    told["postgres_us"] = 1e6 * (postgres_seconds(postgres) - database_before) / told["requests"]
    told["per_second"] = told["requests"] / told["seconds"]
    told["cpu_us"] = 1e6 * used / told["requests"]
    return told


def bare_copy(database: str, customers: Sequence[str], seconds: float) -> dict[str, float]:
    """COPY alone: the same table and customers, a commit per 1,000 rows."""
    import io
    import uuid

    connection = psycopg2.connect(database.replace("+psycopg2", ""))
    now = "2026-01-01T00:00:00Z"
    start, latencies = time.perf_counter(), []
    with connection.cursor() as cursor:
        while time.perf_counter() - start < seconds:
            begin = time.perf_counter()
            request = uuid.uuid4().hex
            base = f"{time.time_ns() // 1_000_000:012x}7"
            lines = [
                f"{base}{uuid.uuid4().hex[13:]}\t{customer}\tv1\t0.26359271981826554\tlow\t"
                f"champion\t{now}\t[]\t{request}\n"
                for customer in customers
            ]
            text = io.StringIO("".join(lines))
            cursor.copy_expert(f"copy predictions ({', '.join(COLUMNS)}) from stdin", text)
            connection.commit()
            latencies.append(1e3 * (time.perf_counter() - begin))
    took = time.perf_counter() - start
    connection.close()
    latencies.sort()
    return {
        "per_second": len(latencies) / took,
        "p50": latencies[len(latencies) // 2],
        "p99": latencies[int(len(latencies) * 0.99)],
    }


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    console = Console(width=120)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(own_postgres(durable=True))
        database = server.url
        pid = (server.data / "postmaster.pid").read_text().split()[0]
        postgres = psutil.Process(int(pid))
        folder = work / "project"
        make_project(folder)
        one, many = make_bodies(work, folder)
        with open_for_service(folder, database) as project:
            publish(folder, project)
            token = create_key(project, "benchmark").token
        ports = {name: free_port() for name in ("usual", "service", "echo", "durable_echo")}
        commands = {
            "usual": [str(HERE / "peers.py"), "usual", str(ports["usual"]), str(folder), database],
            "echo": [str(HERE / "peers.py"), "echo", str(ports["echo"])],
            "durable_echo": [
                str(HERE / "peers.py"),
                "durable_echo",
                str(ports["durable_echo"]),
                database,
            ],
            "service": [
                "-m",
                "churnkit_service",
                "-C",
                str(folder),
                "--port",
                str(ports["service"]),
            ],
        }
        processes = {
            name: stack.enter_context(running(command, ports[name], DATABASE_URL=database))
            for name, command in commands.items()
        }
        key = f"Authorization: Bearer {token}"

        def round_of(name: str, bodies: Path, connections: int) -> dict[str, float]:
            headers = [key] if name == "service" else []
            port, seconds = ports[name], arguments.seconds
            return measure(processes[name], postgres, port, bodies, seconds, connections, *headers)

        one_row(console, round_of, one, arguments.rounds)
        many_rows(console, round_of, many, database, arguments)


def one_row(console: Console, round_of, bodies: Path, rounds: int) -> None:  # type: ignore[no-untyped-def]
    """One row per request, 16 connections."""
    names = {
        "usual": "FastAPI + scikit-learn, one commit per request",
        "service": "churnkit serve, durable",
        "echo": "bare aiohttp JSON echo",
        "durable_echo": "the same, answering after a shared commit",
    }
    for name in names:  # imports, caches, first plans
        round_of(name, bodies, CONNECTIONS)
    found = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found[name].append(round_of(name, bodies, CONNECTIONS))
    view = Table(
        "stack", "requests/s", "CPU per request", "PostgreSQL's", "p50", "p99", "errors",
        title=f"One row per request, {CONNECTIONS} connections (median of {rounds} rounds)",
    )  # fmt: skip
    median = {
        name: {k: statistics.median(r[k] for r in rows) for k in rows[0]}
        for name, rows in found.items()
    }
    for name, title in names.items():
        m = median[name]
        view.add_row(
            title,
            f"{m['per_second']:,.0f}",
            f"{m['cpu_us']:,.0f} µs",
            f"{m['postgres_us']:,.0f} µs",
            f"{m['p50']:.2f} ms",
            f"{m['p99']:.2f} ms",
            f"{sum(r['errors'] for r in found[name]):.0f}",
        )
    console.print(view)

    def ratio(one: str, other: str, what: str = "per_second") -> float:
        pairs = zip(found[one], found[other], strict=True)
        return statistics.median(a[what] / b[what] for a, b in pairs)

    console.print(
        f"service / usual: {ratio('service', 'usual'):.1f} x requests/s (aim 50), "
        f"1/{ratio('usual', 'service', 'cpu_us'):.1f} of the CPU (aim 1/50); "
        f"service / echo: {ratio('service', 'echo'):.2f} (aim 0.4), "
        f"{ratio('service', 'echo', 'cpu_us'):.2f} x its CPU"
    )
    console.print(
        "What this disk allows: an echo that waits for a shared commit reaches "
        f"{ratio('durable_echo', 'echo'):.2f} of the bare echo; service / that echo: "
        f"{ratio('service', 'durable_echo'):.2f}, {ratio('service', 'durable_echo', 'cpu_us'):.2f} "
        "x its CPU"
    )


def many_rows(console, round_of, bodies, database, arguments) -> None:  # type: ignore[no-untyped-def]
    """Requests of 1,000 rows, against COPY of such rows."""
    round_of("service", bodies, 4)
    view = Table(
        "", "rows/s", "CPU per row", "PostgreSQL's", "p50", "p99", "errors",
        title=f"Requests of {ROWS:,} rows, 4 connections",
    )  # fmt: skip
    items = json.loads(bodies.read_bytes().splitlines()[0])["items"]
    customers = [item["customer_id"] for item in items]
    copies, ours = [], []
    for _ in range(arguments.rounds):
        copies.append(bare_copy(database, customers, arguments.seconds))
        ours.append(round_of("service", bodies, 4))
    for name, rounds in (("bare COPY, a commit per 1,000 rows", copies), ("churnkit serve", ours)):
        m = {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}
        view.add_row(
            name,
            f"{m['per_second'] * ROWS:,.0f}",
            f"{m['cpu_us'] / ROWS:.1f} µs" if "cpu_us" in m else "",
            f"{m['postgres_us'] / ROWS:.1f} µs" if "cpu_us" in m else "",
            f"{m['p50']:.0f} ms",
            f"{m['p99']:.0f} ms",
            f"{sum(r.get('errors', 0) for r in rounds):.0f}",
        )
    console.print(view)
    ratios = (o["per_second"] / c["per_second"] for o, c in zip(ours, copies, strict=True))
    console.print(f"service / COPY: {statistics.median(ratios):.2f} (aim 0.7)")


if __name__ == "__main__":
    main()
