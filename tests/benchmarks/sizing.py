"""What an installation takes: memory of a replica, disk of the ledger. Prints a table.

usage: python tests/benchmarks/sizing.py
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import psutil
import sqlalchemy as sa
import urllib3

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.live import command, item, make_served_project, prepare
from tests.postgres import own_postgres

PREDICTIONS, REQUEST_ROWS = 100_000, 1_000


def _size(url: str, *tables: str) -> int:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        sizes = [
            connection.execute(sa.text(f"select pg_total_relation_size('{table}')")).scalar()
            for table in tables
        ]
    engine.dispose()
    return sum(int(size or 0) for size in sizes)


def _mb(n: float) -> str:
    return f"{n / 1e6:,.1f} MB"


def _until_refreshed(url: str, n: int) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    end = time.monotonic() + 300
    with engine.connect() as connection:
        while connection.execute(sa.text("select count(*) from latest_scores")).scalar() != n:
            assert time.monotonic() < end, "the latest scores were not brought up to date"
            connection.rollback()
            time.sleep(1)
    engine.dispose()


def _connections(url: str) -> int:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = "select count(*) from pg_stat_activity where client_port is not null"
        found = connection.execute(sa.text(query)).scalar()
    engine.dispose()
    return int(found or 1) - 1


def main() -> None:
    """Measure, and print."""
    lines: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as home, own_postgres() as server:
        folder = Path(home) / "project"
        make_served_project(folder)
        keys = prepare(folder, server.url)
        with command(folder, server.url) as (process, address):
            memory = psutil.Process(process.pid).memory_info
            lines.append(("memory of a replica that has just started", _mb(memory().rss)))
            pool = urllib3.PoolManager(retries=False, timeout=60)
            headers = {"Authorization": f"Bearer {keys['all']}", "Content-Type": "application/json"}
            for reasons, name in ((0, "without reasons"), (3, "with three reasons")):
                before = _size(server.url, "predictions")
                for start in range(0, PREDICTIONS, REQUEST_ROWS):
                    items = [item(f"{name}-{start + i}") for i in range(REQUEST_ROWS)]
                    body = json.dumps({"items": items, "reasons": reasons}).encode()
                    asked = f"{address}/v1/predictions"
                    answer = pool.request("POST", asked, body=body, headers=headers)
                    assert answer.status == 200, answer.data
                per = (_size(server.url, "predictions") - before) / PREDICTIONS
                lines.append((f"disk for a prediction {name}, with its indexes", f"{per:,.0f} B"))
            lines.append(("connections of a replica to PostgreSQL", f"{_connections(server.url)}"))
            _until_refreshed(server.url, 2 * PREDICTIONS)
            per = _size(server.url, "latest_scores") / (2 * PREDICTIONS)
            lines.append(("disk for a customer's latest score", f"{per:,.0f} B"))
            many = f"{2 * PREDICTIONS:,}"
            lines.append((f"memory of the replica after {many} predictions", _mb(memory().rss)))
        lines.append(("disk for a model version", _mb(_size(server.url, "bundle_files") / 2)))
    print("| what | measured |\n|---|---|")
    for what, figure in lines:
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main()
