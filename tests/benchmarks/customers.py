"""Pages of a million customers with several predictions each, on PostgreSQL.

    python tests/benchmarks/customers.py [CUSTOMERS] [PREDICTIONS_PER_CUSTOMER]

Prints the cost of taking predictions into the latest scores, then the milliseconds of a page of
100 customers in each order, the first and the deepest, against what the same page costs when it
is made of the predictions themselves.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from churnkit.ledger.customers import (
    CustomerFilter,
    Place,
    Sort,
    count_customers,
    customers_page,
    place_of,
)
from churnkit.ledger.engine import make_engine
from churnkit.ledger.refreshing import Refresh, refresh
from churnkit.ledger.store import Ledger
from tests.postgres import running_postgres

REPEATS = 7
_FILL = """
insert into predictions (prediction_id, customer_id, model_version, probability, risk_band,
    variant, made_at, reasons)
select md5(k || '-' || i), 'C' || lpad((i::bigint * 7919 % :n)::text, 7, '0'),
    case when i % 10 = 0 then 'v1' else 'v2' end, p,
    case when p >= 0.6 then 'high' when p >= 0.3 then 'medium' else 'low' end, 'champion',
    timestamptz '2026-01-01' + k * interval '1 day' + i * interval '10 ms', '[]'
from generate_series(0, :n - 1) i, (select cast(:k as bigint) as k) y,
    lateral (select ((hashint8(i * 31 + k)::float8 + 2147483648) / 4294967296) ^ 2 as p) x
"""
_PLAIN = """
select customer_id, probability from (
    select distinct on (customer_id) customer_id, probability
    from predictions where shadow_of is null order by customer_id, made_at desc
) x order by probability desc, customer_id desc limit 100
"""


def main(n: int = 1_000_000, per_customer: int = 3) -> None:
    """Measure and print."""
    with running_postgres(durable=True) as url, Ledger.open(url):
        engine = make_engine(url)
        _fill(engine, n, per_customer)
        _pages(engine, n)
        engine.dispose()


def _fill(engine: sa.Engine, n: int, per_customer: int) -> None:
    def work(found: Refresh) -> tuple[int, int]:
        customers = found.latest()
        return customers, sum(f.n for f in found.figures(datetime.now(UTC)).values())

    print(f"{n:,} customers, {per_customer} predictions each")
    for k in range(per_customer):
        with engine.begin() as connection:
            connection.execute(sa.text(_FILL).bindparams(n=n, k=k))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("vacuum analyze predictions"))
        start = time.perf_counter()
        done = refresh(engine, work, now=datetime.now(UTC), every=timedelta(0))
        took = time.perf_counter() - start
        assert done is not None
        each = took / done[1] * 1e6
        print(f"took in {done[1]:,} predictions at once: {took:.1f} s, {each:.0f} µs each")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("vacuum analyze latest_scores"))
    times = []
    for k in range(REPEATS):
        with engine.begin() as connection:
            connection.execute(sa.text(_FILL).bindparams(n=2_000, k=per_customer + k))
        times.append(_ms(lambda: refresh(engine, work, now=datetime.now(UTC), every=timedelta(0))))
    print(f"took in 2,000 predictions: {statistics.median(times):.0f} ms")
    times = [
        _ms(lambda: refresh(engine, work, now=datetime.now(UTC), every=timedelta(0)))
        for _ in range(REPEATS)
    ]
    print(f"found nothing new: {statistics.median(times):.1f} ms")


def _pages(engine: sa.Engine, n: int) -> None:
    wholes: dict[str, CustomerFilter] = {
        "all": CustomerFilter(),
        "high risk": CustomerFilter(risk_band="high"),
        "of one version": CustomerFilter(model_version="v1"),
        "0.2 to 0.4": CustomerFilter(minimum=0.2, maximum=0.4),
        "prefix C0001": CustomerFilter(prefix="C0001"),
        "search 0001": CustomerFilter(search="0001"),
        "search one": CustomerFilter(search="C0000123"),
    }
    with engine.connect() as connection:
        plain = _median(lambda: connection.execute(sa.text(_PLAIN)).all(), 3)
    print(f"\nfirst page made of the predictions themselves: {plain:,.0f} ms\n")
    print(f"{'filter':<16}{'sort':<14}{'first':>9}{'deepest':>9}   ms per page of 100 (ratio)")
    sorts: tuple[Sort, ...] = ("probability", "customer_id", "made_at", "risk_band")
    for name, wanted in wholes.items():
        for sort in sorts if name == "all" else sorts[:2]:
            first = _median(lambda wanted=wanted, sort=sort: _page(engine, wanted, sort, None))
            after = _deep(engine, wanted, sort)
            deep = _median(
                lambda wanted=wanted, sort=sort, after=after: _page(engine, wanted, sort, after)
            )
            print(
                f"{name:<16}{sort:<14}{first:9.1f}{deep:9.1f}   1/{plain / max(first, deep):,.0f}"
            )
    for name, wanted in wholes.items():
        took = _median(lambda wanted=wanted: count_customers(engine, wanted), 3)
        total = sum(row[2] for row in count_customers(engine, wanted))
        print(f"count {name:<16}{total:>10,} customers {took:8.1f} ms")


def _page(engine: sa.Engine, wanted: CustomerFilter, sort: Sort, after: Place | None) -> Any:
    return customers_page(
        engine, wanted, sort=sort, descending=sort != "customer_id", after=after, limit=100
    )


def _deep(engine: sa.Engine, wanted: CustomerFilter, sort: Sort) -> Place:
    """The place 200 rows before the end."""
    rows = customers_page(
        engine, wanted, sort=sort, descending=sort == "customer_id", after=None, limit=200
    )
    return place_of(rows[-1], sort)


def _median(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    call()
    return statistics.median(_ms(call) for _ in range(repeats))


def _ms(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1_000


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:]))
