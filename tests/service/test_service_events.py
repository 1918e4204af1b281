"""Events over HTTP: they change the features once, all or none, and say what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import churnkit as ck
from churnkit.client.asynchronous import AsyncClient
from churnkit.client.blocking import Client
from churnkit.usecases.online.receiving import receive_once
from churnkit.usecases.operating.online import open_for_service
from tests.copies import copy_project
from tests.live import Live, Told, in_threads, live, two_replicas


@pytest.fixture(
    scope="module",
    params=["sqlite", "postgresql", pytest.param("replicas", marks=pytest.mark.long)],
)
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    online_folder: Path,
    fresh_database: str,
) -> Iterator[Live]:
    """A service of a project of events, on each database."""
    folder = copy_project(online_folder, tmp_path_factory.mktemp("events") / "project")
    url = "" if request.param == "sqlite" else fresh_database
    if url:
        with open_for_service(folder, url) as project:
            ck.rebuild_online(project)
    start = two_replicas if request.param == "replicas" else live
    with start(folder, url) as served:
        yield served


def _event(customer: str, **fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"customer_id": customer, "event_time": now, "dollar_value": 30.0, **fields}


def _send(served: Live, *events: Any, **asked: Any) -> Told:
    headers, key = asked.pop("headers", None), asked.pop("key", "all")
    body = {"items": list(events), **asked}
    return served.ask("POST", "/v1/events", body, headers=headers, key=key)


def _count(served: Live, customer: str) -> int:
    """Purchases of a customer, as the features of the present have them."""
    assert served.service is not None
    (found,) = ck.online_features(served.service.project, [customer])
    value = found.values["events_ever"]
    assert isinstance(value, int)
    return value


def test_events_change_the_features_and_each_counts_once(running: Live) -> None:
    events = [_event("e-1", key="a"), _event("e-1", key="b"), _event("e-2", key="c")]
    told = _send(running, *events, events[0])
    assert told.status == 200, told.content
    wanted = {"applied": 3, "duplicates": 1, "too_late": 0, "late_items": [], "rejected": 0}
    assert told.json == {**wanted, "errors": []}
    assert (_count(running, "e-1"), _count(running, "e-2")) == (2, 1)
    again = _send(running, *events).json
    assert (again["applied"], again["duplicates"]) == (0, 3)
    assert _count(running, "e-1") == 2


def test_an_event_that_is_older_than_the_lateness_is_named(running: Live) -> None:
    assert _send(running, _event("e-late", key="first")).json["applied"] == 1
    old = (datetime.now(UTC) - timedelta(days=9)).isoformat()
    told = _send(running, _event("e-late", key="new"), _event("e-late", key="x", event_time=old))
    assert (told.json["applied"], told.json["too_late"], told.json["late_items"]) == (1, 1, [1])
    assert _count(running, "e-late") == 2


def test_wrong_events_are_all_named_and_none_is_taken_in(running: Live) -> None:
    wrong = [
        (_event("e-3", key="k"), None),
        (_event("e-3", event_time="yesterday"), "event_time"),
        (_event("e-3", dollar_value="much"), "dollar_value"),
        (_event("e-3", colour="red"), "colour"),
        (_event("e-3", dollar_value=1.23456), "dollar_value"),
    ]
    told = _send(running, *(event for event, _ in wrong))
    assert (told.status, told.kind) == (422, "request-invalid")
    found = [(fault["item"], fault["field"]) for fault in told.json["errors"]]
    assert found == [(i, field) for i, (_, field) in enumerate(wrong) if field]
    assert _count(running, "e-3") == 0
    told = _send(running, *(event for event, _ in wrong), on_error="skip")
    assert (told.status, told.json["applied"], told.json["rejected"]) == (200, 1, 4)
    assert [(one["item"], one["field"]) for one in told.json["errors"]] == found
    assert all(one["expected"] for one in told.json["errors"])
    assert _count(running, "e-3") == 1


@pytest.mark.parametrize(
    "event",
    [
        {"event_time": "2026-01-01"},
        {"customer_id": "", "event_time": "2026-01-01"},
        {"customer_id": "a\0b", "event_time": "2026-01-01"},
        {"customer_id": 7, "event_time": "2026-01-01"},
        {"customer_id": "x"},
        {"customer_id": "x", "event_time": "2026-01-01", "dollar_value": [1]},
        {"customer_id": "x", "event_time": "2026-01-01", "key": "k" * 201},
        {"customer_id": "x", "event_time": "9999-99-99"},
        "text",
        None,
    ],
)
def test_what_is_no_event_is_refused_by_name(running: Live, event: Any) -> None:
    told = _send(running, _event("e-4"), event)
    assert (told.status, told.kind) == (422, "request-invalid")
    assert {fault["item"] for fault in told.json["errors"]} == {1}
    told = _send(running, _event("e-4"), event, on_error="skip")
    assert (told.status, told.json["rejected"]) == (200, 1)


def test_a_key_is_answered_the_same_and_works_once(running: Live) -> None:
    headers = {"Idempotency-Key": "events-1"}
    event = _event("e-5", key="one")
    first, again = (_send(running, event, headers=headers) for _ in range(2))
    assert first.status == 200
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    other = _send(running, _event("e-5", key="two"), headers=headers)
    assert (other.status, other.kind) == (422, "idempotency-key-reused")
    assert _count(running, "e-5") == 1


def test_two_replicas_take_one_keyed_request_in_once(
    running: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both looked for the key before either had committed it."""
    service = running.service
    assert service is not None
    from churnkit_service import idempotency

    async def nothing_yet(self: idempotency.Claim) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(idempotency.Claim, "find", nothing_yet)
        headers = {"Idempotency-Key": "events-2"}
        first = _send(running, _event("e-6", key="one"), headers=headers)
        assert first.status == 200
    # A second process, which found no answer, loses against the first one's commit.
    lost = receive_once(
        service.project,
        [_event("e-6", key="two")],
        keep=lambda taken: idempotency.Claim(service, _owner(running), "events-2", "0" * 64).keep(
            200, b"", datetime.now(UTC)
        ),
    )
    assert lost is None
    assert _count(running, "e-6") == 1


def _owner(served: Live) -> str:
    return served.keys["all"].split("_")[1]


def test_many_at_once_lose_nothing(running: Live) -> None:
    """Several requests change the same customers at the same time."""

    def send(i: int) -> Told:
        return _send(running, *(_event(f"e-7-{n}", key=f"{i}") for n in range(20)))

    told = in_threads([lambda i=i: send(i) for i in range(8)])
    assert [one.json["applied"] for one in told] == [20] * 8
    assert _count(running, "e-7-3") == 8


def test_the_clients_send_events(running: Live) -> None:
    with Client(running.url, key=running.keys["score"]) as client:
        answer = client.send_events([_event("e-8", key="a"), {**_event("e-8"), "event_time": "?"}],
                                    on_error="skip")  # fmt: skip
    assert (answer.applied, answer.rejected, answer.errors[0].field) == (1, 1, "event_time")

    async def send() -> int:
        async with AsyncClient(running.url, key=running.keys["score"]) as client:
            return (await client.send_events([_event("e-8", key="b")])).applied

    assert asyncio.run(send()) == 1
    assert _count(running, "e-8") == 2


def test_only_who_may_score_may_send(running: Live) -> None:
    assert _send(running, _event("e-9"), key="read").status == 403
    assert _count(running, "e-9") == 0


def test_what_became_of_events_is_counted(running: Live) -> None:
    assert _send(running, _event("e-10", key="a")).json["applied"] == 1
    figures = running.ask("GET", "/metrics").content.decode()
    assert 'churnkit_events_total{outcome="applied"}' in figures


def test_a_project_without_events_says_so(served_folder: Path, tmp_path: Path) -> None:
    with live(copy_project(served_folder, tmp_path / "plain")) as served:
        told = _send(served, _event("e-11"))
    assert (told.status, told.kind) == (422, "no-online-state")
