"""Outcomes and treatments over HTTP: once, together or not at all, page by page."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.blocking import Client
from churnkit.client.messages.outcomes import OutcomeItem
from churnkit.usecases.outcomes.holdouts import end_holdout, set_holdout
from tests.live import Live, item

REPLICAS = "long"

OLD = "2024-03-01T00:00:00Z"


def outcome(customer: str, churned: bool | None = True, **more: Any) -> dict[str, Any]:
    return {"customer_id": customer, "as_of": OLD, "churned": churned, **more}


def test_outcomes_are_recorded_once_and_corrected(served: Live) -> None:
    body = {"items": [outcome("o-anna"), outcome("o-bert", False)]}
    first = served.ask("POST", "/v1/outcomes", body)
    assert (first.status, first.json["n_new"]) == (200, 2)
    assert served.ask("POST", "/v1/outcomes", body).json["n_known"] == 2
    fixed = served.ask("POST", "/v1/outcomes", {"items": [outcome("o-bert", True)]}).json
    assert (fixed["n_new"], fixed["n_corrected"]) == (1, 1)
    page = served.ask("GET", "/v1/outcomes?customer_id=o-bert").json["outcomes"]
    assert [row["churned"] for row in page] == [True, False]
    assert page[0]["source"] == "rest"


def test_one_wrong_item_stops_all_or_is_skipped(served: Live) -> None:
    future = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    items = [
        outcome("o-carl"),
        {"customer_id": "o-dora"},
        outcome("o-emil", False, as_of=datetime.now(UTC).isoformat()),
        outcome("o-fred", known_at=future),
        outcome("o-carl", False),
    ]
    told = served.ask("POST", "/v1/outcomes", {"items": items})
    assert (told.status, told.kind) == (422, "request-invalid")
    assert [fault["item"] for fault in told.json["errors"]] == [1]
    told = served.ask("POST", "/v1/outcomes", {"items": [items[0], *items[2:4]]})
    assert [fault["item"] for fault in told.json["errors"]] == [1, 2]
    told = served.ask("POST", "/v1/outcomes", {"items": [items[0], items[4]]})
    assert [fault["item"] for fault in told.json["errors"]] == [1]
    assert not served.ask("GET", "/v1/outcomes?customer_id=o-carl").json["outcomes"]
    told = served.ask("POST", "/v1/outcomes", {"items": items, "on_error": "skip"})
    assert told.json["n_new"] == 1
    assert sorted(fault["item"] for fault in told.json["errors"]) == [1, 2, 3, 4]


def test_a_key_does_the_work_once_and_a_scope_is_needed(served: Live) -> None:
    headers = {"Idempotency-Key": "outcomes-1"}
    body = {"items": [outcome("o-gina")]}
    first = served.ask("POST", "/v1/outcomes", body, headers=headers)
    again = served.ask("POST", "/v1/outcomes", body, headers=headers)
    assert (first.json["n_new"], again.json["n_new"]) == (1, 1)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = {"items": [outcome("o-hugo")]}
    assert served.ask("POST", "/v1/outcomes", other, headers=headers).status == 422
    for path in ("/v1/outcomes", "/v1/treatments"):
        assert served.ask("POST", path, body, key="read").status == 403
        assert served.ask("POST", path, body, key=None).status == 401
        assert served.ask("GET", path, key="score").status == 403


def test_treatments_of_members_of_a_holdout_are_told(served: Live) -> None:
    assert served.service is not None
    made = set_holdout(served.service.project, 0.999999, campaign="t-spring")
    at = datetime.now(UTC).isoformat()
    row = {"customer_id": "t-anna", "at": at, "campaign": "t-spring", "offer": "call"}
    told = served.ask("POST", "/v1/treatments", {"items": [row]}).json
    assert (told["n_new"], told["n_violations"]) == (1, 1)
    assert served.ask("POST", "/v1/treatments", {"items": [row]}).json["n_known"] == 1
    wrong = {**row, "assignment_probability": 0}
    refused = served.ask("POST", "/v1/treatments", {"items": [wrong]})
    assert refused.json["errors"][0]["field"] == "assignment_probability"
    end_holdout(served.service.project, made.holdouts[-1].holdout_id)


def test_both_clients_record_and_page(served: Live) -> None:
    names = [f"page-{i}" for i in range(5)]
    with Client(served.url, key=served.keys["all"]) as client:
        done = client.record_outcomes(
            [OutcomeItem.model_validate(outcome("page", known_at=f"2024-06-0{i}T00:00:00Z",
                                                value=float(i))) for i in range(1, 6)]
        )  # fmt: skip
        assert done.n_new == 5
        values = [row.value for row in client.outcomes(customer_id="page", page_size=2)]
        assert sorted(v or 0 for v in values) == [1, 2, 3, 4, 5]
        assert client.record_treatments(
            [{"customer_id": name, "at": OLD, "campaign": "pa ge", "treatment_id": f"i d {name}"}
             for name in names]
        ).n_new == 5  # fmt: skip
        found = list(client.treatments(campaign="pa ge", page_size=2))
        assert sorted(row.customer_id for row in found) == names

    async def main() -> None:
        async with AsyncClient(served.url, key=served.keys["all"]) as other:
            assert (await other.record_outcomes([outcome("async")])).n_new == 1
            assert [row.customer_id async for row in other.outcomes(customer_id="async")] == [
                "async"
            ]
            assert (await other.record_treatments([{"customer_id": "async", "at": OLD}])).n_new == 1
            assert len([row async for row in other.treatments(customer_id="async")]) == 1

    asyncio.run(main())


@pytest.mark.parametrize("path", ["/v1/outcomes", "/v1/treatments"])
def test_a_cursor_that_is_none_is_refused(served: Live, path: str) -> None:
    assert served.ask("GET", f"{path}?cursor=zzz").status == 422
    assert served.predict(item()).status == 200
