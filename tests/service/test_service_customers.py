"""Customers over HTTP: latest scores in every order, filtered, searched and page by page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.blocking import Client
from churnkit.domain.outcomes import Outcome, Treatment
from churnkit.domain.predictions import PredictionRow
from churnkit.errors import ServiceRefused
from churnkit.ledger.outcomes import record_outcomes, record_treatments
from tests.live import Live, item

REPLICAS = True
NAMES = [
    "alpha-01", "alpha-02", "ALPHA-03", "beta-1", "beta-2", "bet", "ω-1", "ω-2", "50%_off", "'; --",
    "a/b", "x.y z", "zz",
]  # fmt: skip


@pytest.fixture(scope="module")
def scored(served: Live) -> dict[str, dict[str, Any]]:
    """Customers that were scored twice; the second time counts."""
    for tenure in (70, 3):
        items = [item(name, tenure=(tenure * 7 + i * 5) % 72) for i, name in enumerate(NAMES)]
        told = served.predict(*items)
        assert told.status == 200
    latest = {p["customer_id"]: p for p in told.json["predictions"]}
    _until(lambda: set(NAMES) <= set(_all(served, "limit=1000")))
    names = [p["prediction_id"] for p in latest.values()]
    _until(
        lambda: (
            {
                c["prediction_id"]
                for c in served.ask("GET", "/v1/customers?limit=1000").json["customers"]
            }
            >= set(names)
        )
    )
    return latest


def _until(what: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def _all(served: Live, query: str, cursor: str = "") -> list[str]:
    """Every customer, page by page."""
    found: list[str] = []
    while True:
        told = served.ask("GET", f"/v1/customers?{query}{cursor}")
        assert told.status == 200, told.content
        found += [c["customer_id"] for c in told.json["customers"]]
        if told.json["next_cursor"] is None:
            return found
        cursor = f"&cursor={told.json['next_cursor']}"


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["probability", "customer_id", "made_at", "risk_band"])
def test_pages_hold_every_customer_once_in_order(
    served: Live, scored: dict[str, dict[str, Any]], sort: str, order: str
) -> None:
    ranks = {"low": 0, "medium": 1, "high": 2}

    def key(name: str) -> Any:
        one = scored[name]
        tie = name.encode()
        return {
            "probability": (one["probability"], tie),
            "customer_id": tie,
            "made_at": tie,  # all of one request
            "risk_band": (ranks[one["risk_band"]], one["probability"], tie),
        }[sort]

    expected = sorted(NAMES, key=key, reverse=order == "desc")
    assert _all(served, f"sort={sort}&order={order}&limit=4") == expected


def test_by_default_the_riskiest_come_first(
    served: Live, scored: dict[str, dict[str, Any]]
) -> None:
    told = served.ask("GET", "/v1/customers").json
    found = [c["probability"] for c in told["customers"]]
    assert found == sorted(found, reverse=True)
    for one in told["customers"]:
        known = scored[one["customer_id"]]
        assert {k: one[k] for k in ("prediction_id", "probability", "risk_band", "variant")} == {
            k: known[k] for k in ("prediction_id", "probability", "risk_band", "variant")
        }
    assert datetime.fromisoformat(told["refreshed_at"]) <= datetime.now(UTC) + timedelta(seconds=1)
    assert told["counts"] is None
    assert _all(served, "sort=customer_id") == sorted(NAMES, key=str.encode)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("prefix=alpha", {"alpha-01", "alpha-02"}),
        ("prefix=bet", {"beta-1", "beta-2", "bet"}),
        (f"prefix={quote('ω')}", {"ω-1", "ω-2"}),
        (f"prefix={quote('50%_')}", {"50%_off"}),
        ("prefix=%25", set()),
        ("search=alpha", {"alpha-01", "alpha-02", "ALPHA-03"}),
        ("search=A-0", {"alpha-01", "alpha-02", "ALPHA-03"}),
        (f"search={quote('%')}", {"50%_off"}),
        (f"search={quote(chr(39))}", {"'; --"}),
        ("model_version=v9", set()),
        ("model_version=v1&search=zz", {"zz"}),
        ("prefix=alpha&search=02", {"alpha-02"}),
    ],
)
def test_filters_let_through_what_they_say(
    served: Live, scored: dict[str, Any], query: str, expected: set[str]
) -> None:
    for sort in ("probability", "customer_id"):
        assert set(_all(served, f"{query}&sort={sort}&limit=2")) == expected
    counts = served.ask("GET", f"/v1/customers?{query}&counts=true&limit=1").json["counts"]
    assert counts["total"] == len(expected)


def test_bands_and_ranges_and_counts_agree(served: Live, scored: dict[str, dict[str, Any]]) -> None:
    counts = served.ask("GET", "/v1/customers?counts=true").json["counts"]
    assert counts["total"] == len(NAMES)
    assert counts["by_version"] == {"v1": len(NAMES)}
    for band in ("low", "medium", "high"):
        expected = {name for name, one in scored.items() if one["risk_band"] == band}
        assert set(_all(served, f"risk_band={band}&limit=3")) == expected
        assert counts["by_band"].get(band, 0) == len(expected)
    values = sorted(one["probability"] for one in scored.values())
    low, high = values[3], values[8]
    expected = {name for name, one in scored.items() if low <= one["probability"] <= high}
    query = f"min_probability={low!r}&max_probability={high!r}"
    assert set(_all(served, f"{query}&limit=2")) == expected


@pytest.mark.parametrize(
    "query",
    [
        "sort=name", "order=up", "risk_band=extreme", "min_probability=2", "max_probability=x",
        "min_probability=nan", "prefix=", "limit=0", "limit=1001", "cursor=!!", "cursor=Zm9v",
        "cursor=W10=", "colour=red", "search=%00",
    ],
)  # fmt: skip
def test_a_wrong_query_is_named(served: Live, query: str) -> None:
    told = served.ask("GET", f"/v1/customers?{query}")
    assert (told.status, told.kind) == (422, "request-invalid")
    assert told.json["errors"][0]["field"] == f"query.{query.partition('=')[0]}"


def test_a_cursor_of_another_order_is_refused(served: Live, scored: dict[str, Any]) -> None:
    cursor = served.ask("GET", "/v1/customers?limit=1").json["next_cursor"]
    for query in ("sort=customer_id", "order=asc"):
        assert served.ask("GET", f"/v1/customers?{query}&cursor={cursor}").status == 422


def test_what_comes_meanwhile_shifts_no_page(served: Live, scored: dict[str, Any]) -> None:
    first = served.ask("GET", "/v1/customers?sort=customer_id&limit=5").json
    served.predict(item("aaa-new"), item("zzz-new"))
    _until(lambda: {"aaa-new", "zzz-new"} <= set(_all(served, "limit=1000")))
    rest = _all(served, "sort=customer_id&limit=5", f"&cursor={first['next_cursor']}")
    names = [c["customer_id"] for c in first["customers"]] + rest
    assert names == sorted([*NAMES, "zzz-new"], key=str.encode)
    assert served.service is not None
    with served.service.project.ledger.writing() as connection:
        for table in ("predictions", "latest_scores"):
            connection.execute(sa.text(f"delete from {table} where customer_id like '%-new'"))


def test_a_customer_is_shown_with_history_outcomes_and_treatments(served: Live) -> None:
    name = "story/1"
    ids = [
        served.predict(item(name, tenure=i)).json["predictions"][0]["prediction_id"]
        for i in range(5)
    ]
    assert served.service is not None
    engine = served.service.project.ledger.engine
    now = datetime.now(UTC)
    record_outcomes(engine, [Outcome(name, True, "test", as_of=now)], now=now)
    record_treatments(
        engine, [Treatment(f"t-{served.url}", name, now, "10 % off", "spring", "test")], now=now
    )
    path = f"/v1/customers/{quote(name, safe='')}"
    told = served.ask("GET", f"{path}?limit=3").json
    assert [p["prediction_id"] for p in told["predictions"]] == ids[:1:-1]
    rest = served.ask("GET", f"{path}?limit=3&cursor={told['next_cursor']}").json
    assert [p["prediction_id"] for p in rest["predictions"]] == ids[1::-1]
    assert rest["next_cursor"] is None
    assert [(o["churned"], o["source"]) for o in told["outcomes"]] == [(True, "test")]
    assert [(t["offer"], t["campaign"]) for t in told["treatments"]] == [("10 % off", "spring")]
    for unknown in ("nobody", "x" * 201, "a%00b"):
        assert served.ask("GET", f"/v1/customers/{unknown}").status == 404
    with served.service.project.ledger.writing() as connection:
        for table in ("predictions", "latest_scores"):
            connection.execute(
                sa.text(f"delete from {table} where customer_id = :name"), {"name": name}
            )


def test_what_others_write_into_the_ledger_appears_too(served: Live) -> None:
    assert served.service is not None
    ledger = served.service.project.ledger
    row = PredictionRow(
        prediction_id="by-the-command",
        customer_id="by-the-command",
        model_version="v1",
        probability=0.5,
        risk_band="medium",
        made_at=datetime.now(UTC) - timedelta(days=400),
    )
    ledger.record_predictions([row])
    _until(lambda: _all(served, "prefix=by-the") == ["by-the-command"])
    with ledger.writing() as connection:
        for table in ("predictions", "latest_scores"):
            connection.execute(sa.text(f"delete from {table} where customer_id = 'by-the-command'"))


def test_both_clients_read_customers(served: Live, scored: dict[str, Any]) -> None:
    with Client(served.url, key=served.keys["all"]) as client:
        names = [c.customer_id for c in client.customers(sort="customer_id", page_size=4)]
        assert names == sorted(NAMES, key=str.encode)
        assert client.customer_counts().total == len(NAMES)
        assert client.customer("a/b", page_size=1).next_cursor is not None
        with pytest.raises(ServiceRefused) as refused:
            client.customer("nobody")
        assert refused.value.where["type"] == "/problems/unknown-customer"

    async def work() -> None:
        async with AsyncClient(served.url, key=served.keys["all"]) as other:
            found = [c.customer_id async for c in other.customers(prefix="alpha", page_size=1)]
            assert sorted(found) == ["alpha-01", "alpha-02"]
            assert (await other.customer_counts(search="alpha")).total == 3
            assert (await other.customer("zz")).predictions[0].customer_id == "zz"

    asyncio.run(work())
