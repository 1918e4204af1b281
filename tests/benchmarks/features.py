"""Features from many events against the bare GROUP BY of the same run.

    python tests/benchmarks/features.py [--quick]

Makes a log (numpy → DuckDB) in a temporary folder: 50 M events of 1 M customers over two years, or
with --quick 2 M of 40,000. Each line runs in a process of its own, so that its peak memory is its
own. CPU time is the measure (other processes share the machine); seconds are shown beside it.
The online state follows; see ``online_features.py``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import online_features
import pyarrow as pa

from churnkit.domain.events import US_PER_DAY, LogSchema, ValueColumn
from churnkit.domain.moments import to_us
from churnkit.features.definitions import EventFeature, FeatureSet
from churnkit.features.offline import memory_within, stream_features
from churnkit.features.requests import ask
from churnkit.features.suggest import look_at, suggest_features

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 730
TYPES = ("login", "purchase", "view", "ticket", "refund")
CHANNELS = ("web", "app", "shop", "phone")
MEMORY = 2_000_000_000


def make_log(path: Path, n_events: int, n_customers: int) -> None:
    """Write a log in the order of time, as logs come; customers differ in their rates."""
    rng = np.random.default_rng(0)
    rates = rng.gamma(1.0, 1.0, n_customers)
    reached = np.cumsum(rates) / rates.sum()
    first = to_us(START)
    with duckdb.connect(str(path)) as db:
        db.execute(
            "CREATE TABLE customer_numbers AS SELECT CAST(i AS INTEGER) AS customer_no, "
            f"'c' || i AS customer_id FROM range({n_customers}) r(i)"
        )
        db.execute(
            "CREATE TABLE events (customer_no INTEGER, t_us BIGINT, known_us BIGINT, "
            "dayno INTEGER, event_type VARCHAR, v_amount BIGINT, c_channel VARCHAR)"
        )
        n_parts = max(1, n_events // 1_000_000)
        for part in range(n_parts):
            n = n_events // n_parts
            share = (part + rng.random(n)) / n_parts
            t = np.sort(first + (share * DAYS * US_PER_DAY).astype(np.int64))
            late = np.where(rng.random(n) < 0.05, rng.random(n) * 5 * US_PER_DAY, 0)
            kinds = rng.choice(len(TYPES), n, p=[0.5, 0.2, 0.2, 0.05, 0.05]).astype(np.int8)
            cents = np.round(rng.lognormal(3, 1, n) * 100).astype(np.int64)
            batch = pa.table(
                {
                    "customer_no": np.searchsorted(reached, rng.random(n)).astype(np.int32),
                    "t_us": t,
                    "known_us": t + late.astype(np.int64),
                    "dayno": (t // US_PER_DAY).astype(np.int32),
                    "event_type": pa.DictionaryArray.from_arrays(kinds, pa.array(TYPES)),
                    "v_amount": pa.array(cents, mask=kinds == 0),
                    "c_channel": pa.DictionaryArray.from_arrays(
                        rng.integers(0, 4, n).astype(np.int8), pa.array(CHANNELS)
                    ),
                }
            )
            db.register("batch", batch)
            db.execute("INSERT INTO events SELECT * FROM batch")
            db.unregister("batch")


def log_schema(db: duckdb.DuckDBPyConnection) -> LogSchema:
    """What import would say of the log."""
    ((n, customers, first, last),) = db.execute(
        "SELECT count(*), max(customer_no) + 1, min(t_us), max(t_us) FROM events"
    ).fetchall()
    return LogSchema(
        zone="UTC",
        values=(ValueColumn(name="amount", decimals=2),),
        categories=("channel",),
        event_types=TYPES,
        n_events=n,
        n_customers=customers,
        first_us=first,
        last_us=last,
    )


def opened(path: Path) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect(str(path), read_only=True, config={"threads": 2})
    db.execute("SET enable_progress_bar = false")
    return db


def group_by(path: Path, features: str, n_dates: int) -> int:
    """The floor: every event once, one group per customer."""
    with opened(path) as db:
        db.execute(
            "CREATE TEMP TABLE floor AS SELECT customer_no, count(*) AS n FROM events GROUP BY 1"
        )
        return int(db.execute("SELECT count(*) FROM floor").fetchall()[0][0])


def build(path: Path, features: str, n_dates: int, memory: int | None = None) -> int:
    """All customers at the last n dates, a month apart; rows are thrown away as they come."""
    last = START + timedelta(days=DAYS - 10, hours=12)
    dates = [last - timedelta(days=30 * back) for back in range(n_dates)]
    with opened(path) as db, memory_within(db, memory, path.parent):
        schema = log_schema(db)
        asked = ask(db, "UTC", as_of=dates)
        chosen = FeatureSet.model_validate_json(features)
        return sum(
            batch.num_rows
            for batch in stream_features(db, chosen, schema, asked, memory_bytes=memory)
        )


def build_in_2_gb(path: Path, features: str, n_dates: int) -> int:
    return build(path, features, n_dates, MEMORY)


def with_pandas(path: Path, features: str, n_dates: int) -> int:
    """The event features of the set in pandas: a masked groupby for each window."""
    import pandas as pd

    with opened(path) as db:
        events = db.sql(
            "SELECT customer_no, t_us, known_us, dayno, event_type, v_amount, c_channel FROM events"
        ).df()
    last = to_us(START + timedelta(days=DAYS - 10, hours=12))
    today = last // US_PER_DAY
    known = events[(events.t_us <= last) & (events.known_us <= last)]
    columns: dict[str, Any] = {}
    for feature in FeatureSet.model_validate_json(features).features:
        if not isinstance(feature, EventFeature):
            continue
        part = known
        if feature.window_days is not None:
            part = part[part.dayno > today - feature.window_days]
        if feature.event_types:
            part = part[part.event_type.isin(feature.event_types)]
        groups = part.groupby("customer_no")
        match feature.aggregate:
            case "count":
                found = groups.size()
            case "sum" | "mean" | "min" | "max":
                found = groups[f"v_{feature.column}"].agg(feature.aggregate) / 100
            case "distinct":
                name = "event_type" if feature.column == "event_type" else f"c_{feature.column}"
                found = groups[name].nunique()
            case "active_days":
                found = groups.dayno.nunique()
            case "recency_days":
                found = today - groups.dayno.max()
            case "since_first_days":
                found = today - groups.dayno.min()
            case "mean_gap_days":
                n = groups.dayno.nunique()
                found = (groups.dayno.max() - groups.dayno.min()) / (n - 1).where(n > 1)
        columns[feature.name] = found
    return len(pd.DataFrame(columns))


def measured(work: Callable[[Path, str, int], int], path: Path, features: str, n: int) -> Any:
    """Run in a fresh process: rows, CPU seconds, seconds, peak MB."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(theirs, work, path, features, n))
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        found = None
    process.join()
    return found


def _child(pipe: Any, work: Callable[..., int], path: Path, features: str, n: int) -> None:
    def cpu() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    before, start = cpu(), time.perf_counter()
    rows = work(path, features, n)
    pipe.send((rows, cpu() - before, time.perf_counter() - start, peak_mb()))


def peak_mb() -> int:
    """The most memory that this process had; ru_maxrss would count its parent's, too."""
    (line,) = [
        line
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    sizes = (2_000_000, 40_000) if asked.quick else (50_000_000, 1_000_000)
    small = (1_000_000, 20_000) if asked.quick else (5_000_000, 100_000)
    figures = []
    with tempfile.TemporaryDirectory(prefix="churnkit-benchmark-") as folder:
        path = Path(folder) / "log.duckdb"
        for title, (n_events, n_customers), lines in (
            ("offline", sizes, [("one date", build, 1), ("one date, 2 GB", build_in_2_gb, 1),
                                ("twelve dates, 2 GB", build_in_2_gb, 12)]),
            ("against pandas", small, [("one date", build, 1), ("pandas", with_pandas, 1)]),
        ):  # fmt: skip
            path.unlink(missing_ok=True)
            make_log(path, n_events, n_customers)
            with opened(path) as db:
                schema = log_schema(db)
                features = suggest_features(schema, look_at(db, schema)).features
            text = features.model_dump_json()
            print(
                f"\n{title}: {n_events / 1e6:g} M events, {n_customers:,} customers, "
                f"{len(features.features)} features",
                flush=True,
            )
            print(
                f"{'':28}{'CPU s':>9}{'x floor':>9}{'s':>9}{'x floor':>9}{'peak MB':>9}{'rows':>12}"
            )
            floor = None
            for name, work, n in [("GROUP BY customer_no", group_by, 1), *lines]:
                found = measured(work, path, text, n)
                if found is None:
                    print(f"{name:28} did not finish", flush=True)
                    continue
                rows, cpu, seconds, peak = found
                floor = floor or (cpu, seconds)
                ratios = cpu / floor[0], seconds / floor[1]
                print(
                    f"{name:28}{cpu:9.2f}{ratios[0]:9.1f}{seconds:9.2f}{ratios[1]:9.1f}{peak:9,}"
                    f"{rows:12,}",
                    flush=True,
                )
                figures.append({"title": title, "name": name, "cpu": cpu, "ratio": ratios[0],
                                "seconds": seconds, "peak_mb": peak})  # fmt: skip
    online_features.main(500 if asked.quick else 2_000)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
