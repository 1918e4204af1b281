"""The online state: events per second and time per read, in memory and through PostgreSQL.

    python tests/benchmarks/online_features.py [--customers N]

A log of 25 events per customer over 400 days becomes a project; the events of its last 20 days are
delivered one by one, and every customer is read. CPU time is the measure in memory; through the
database it is seconds, because there another process works.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import churnkit as ck  # noqa: E402 - from a checkout, not an installation
from churnkit.domain.events import US_PER_DAY  # noqa: E402
from churnkit.domain.moments import to_us  # noqa: E402
from churnkit.features.online_events import read_event  # noqa: E402
from churnkit.features.online_layout import OnlineEvent, layout  # noqa: E402
from churnkit.features.online_read import read_features  # noqa: E402
from churnkit.features.online_state import (  # noqa: E402
    OnlineState,
    dump_state,
    load_state,
    take_events,
)
from churnkit.ledger.store import Ledger  # noqa: E402
from churnkit.usecases.features.feature_set import open_features  # noqa: E402
from tests.postgres import running_postgres  # noqa: E402

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, DELIVERED_DAYS, EACH = 400, 20, 25
TYPES = ("login", "purchase", "view", "ticket", "refund")
CHANNELS = ("web", "app", "shop", "phone")
BATCH = 500
LONG_AGO = -(2**60)


def log(n_customers: int) -> pa.Table:
    """Events in the order of time."""
    rng = np.random.default_rng(0)
    n = n_customers * EACH
    t = np.sort(to_us(START) + (rng.random(n) * DAYS * US_PER_DAY).astype(np.int64))
    kinds = rng.choice(len(TYPES), n, p=[0.5, 0.2, 0.2, 0.05, 0.05])
    return pa.table(
        {
            "customer_id": [f"c{one}" for one in rng.integers(0, n_customers, n)],
            "event_time": pa.array(t, pa.timestamp("us", tz="UTC")),
            "event_type": [TYPES[kind] for kind in kinds],
            "amount": pa.array(np.round(rng.lognormal(3, 1, n), 2), mask=kinds == 0),
            "channel": [CHANNELS[one] for one in rng.integers(0, 4, n)],
        }
    )


@contextmanager
def told(what: str, n: int, of: str, *, cpu: bool) -> Iterator[None]:
    """Print a line about what is done inside."""
    clock = time.process_time if cpu else time.perf_counter
    start = clock()
    yield
    took = clock() - start
    unit = "CPU" if cpu else "wall"
    print(f"{what:44}{n / took:10,.0f} {of}/s{took / n * 1e6:10,.1f} µs each ({unit})", flush=True)


def main(n_customers: int = 2_000) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="churnkit-benchmark-") as folder:
        table = log(n_customers)
        since = START + timedelta(days=DAYS - DELIVERED_DAYS)
        now = START + timedelta(days=DAYS)
        is_old = np.array([moment < since for moment in table["event_time"].to_pylist()])
        path = Path(folder) / "log.parquet"
        pq.write_table(table.filter(pa.array(is_old)), path)
        delivered = table.filter(pa.array(~is_old)).to_pylist()
        options = ck.LogOptions(values=("amount",), categories=("channel",))
        with ck.create_event_project(Path(folder) / "project", path, options).project as project:
            if not (project.folder / "features.toml").exists():
                ck.suggest_features(project)
            features, _ = open_features(project)
            print(
                f"\nonline: {n_customers:,} customers, {table.num_rows:,} events, of which "
                f"{len(delivered):,} are delivered; {len(features.features)} features"
            )
            in_memory(project, table.filter(pa.array(is_old)).to_pylist(), delivered, now)
            with running_postgres(durable=True) as url:
                Ledger.open(url).close()
                settings = project.settings
                project.settings = settings.model_copy(
                    update={"ledger": settings.ledger.model_copy(update={"url": url})}
                )
                through_postgres(project, delivered, since, now)


def in_memory(
    project: ck.Project,
    old: list[dict[str, object]],
    delivered: list[dict[str, object]],
    now: datetime,
) -> None:
    features, schema = open_features(project)
    plan = layout(features, schema, lateness_us=3 * US_PER_DAY)
    states: dict[str, OnlineState] = {}

    def take(events: list[tuple[str, OnlineEvent]]) -> None:
        for customer, event in events:
            state = states.setdefault(customer, OnlineState(LONG_AGO))
            take_events(state, [event], plan, now_us=event.t_us)

    def read(events: list[dict[str, object]]) -> list[tuple[str, OnlineEvent]]:
        return [read_event(one, schema, now_us=to_us(one["event_time"])) for one in events]  # type: ignore[arg-type]

    take(read(old))
    with told("fields to an event", len(delivered), "events", cpu=True):
        events = read(delivered)
    with told("taken in, one by one, in memory", len(events), "events", cpu=True):
        take(events)
    with told("read, in memory", len(states), "reads", cpu=True):
        for state in states.values():
            read_features(state, plan, as_of_us=to_us(now))
    with told("to text", len(states), "states", cpu=True):
        texts = [dump_state(state) for state in states.values()]
    with told("from text", len(states), "states", cpu=True):
        for text in texts:
            load_state(text)
    sizes = np.array([len(text) for text in texts])
    print(f"bytes of text: mean {sizes.mean():,.0f}, 99 % below {np.quantile(sizes, 0.99):,.0f}")


def through_postgres(
    project: ck.Project, delivered: list[dict[str, object]], since: datetime, now: datetime
) -> None:
    ck.rebuild_online(project, now=since)
    for size in (1, BATCH):
        some = delivered[:200] if size == 1 else delivered[200:]
        with told(f"PostgreSQL, {size} in a transaction", len(some), "events", cpu=False):
            for at in range(0, len(some), size):
                batch = some[at : at + size]
                ck.receive_events(project, batch, now=batch[-1]["event_time"])  # type: ignore[arg-type]
    names = list(dict.fromkeys(str(one["customer_id"]) for one in delivered))[:500]
    with told("PostgreSQL, one customer per read", len(names), "reads", cpu=False):
        for name in names:
            ck.online_features(project, [name], as_of=now)
    with told("PostgreSQL, all in one read", len(names), "reads", cpu=False):
        ck.online_features(project, names, as_of=now)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=2_000)
    main(parser.parse_args().customers)
