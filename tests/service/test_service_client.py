"""The client: typed answers, retries that do no work twice, errors that say what is wrong."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import urllib3

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.blocking import Client
from churnkit.client.messages.predictions import Prediction, RecordedPrediction
from churnkit.client.resources import Requests, RequestsLater
from churnkit.client.retrying import Patience
from churnkit.errors import ServiceRefused, ServiceUnreachable
from tests.live import FEATURES, Live

REPLICAS = True


def test_the_blocking_client_speaks_the_whole_contract(served: Live) -> None:
    with Client(served.url, key=served.keys["all"]) as client:
        assert client.ready().model_version == "v1"
        answer = client.predict({"sync-1": FEATURES, "sync-2": FEATURES}, reasons=2)
        one, two = answer.predictions
        assert isinstance(one, Prediction)
        assert (one.customer_id, len(one.reasons)) == ("sync-1", 2)
        recorded = client.prediction(two.prediction_id)
        assert isinstance(recorded, RecordedPrediction)
        assert recorded.probability == two.probability
        for _ in range(4):
            client.predict({"sync-2": FEATURES})
        found = list(client.predictions(customer_id="sync-2", page_size=2))
        assert len(found) == 5
        assert found[-1].prediction_id == two.prediction_id


def test_the_asynchronous_client_does_the_same(served: Live) -> None:
    async def work() -> None:
        async with AsyncClient(served.url, key=served.keys["all"]) as client:
            assert (await client.ready()).status == "ready"
            answers = await asyncio.gather(
                *(client.predict({"async": {**FEATURES, "tenure": i}}) for i in range(5))
            )
            ids = {answer.predictions[0].prediction_id for answer in answers}
            found = {
                p.prediction_id async for p in client.predictions(customer_id="async", page_size=2)
            }
            assert found == ids
            some = next(iter(ids))
            assert (await client.prediction(some)).customer_id == "async"
            with pytest.raises(ServiceRefused) as refused:
                await client.prediction("none")
            assert refused.value.where["status"] == 404

    asyncio.run(work())


def test_a_refusal_says_what_the_service_said(served: Live) -> None:
    with Client(served.url, key=served.keys["all"]) as client:
        with pytest.raises(ServiceRefused) as refused:
            client.predict({"c": {**FEATURES, "tenure": "x"}})
        assert refused.value.where["type"] == "/problems/request-invalid"
        assert "features.tenure" in str(refused.value.where["errors"])
        answer = client.predict({"a": {**FEATURES, "tenure": "x"}, "b": FEATURES}, on_error="skip")
        assert [p.customer_id for p in answer.predictions] == ["b"]
        assert answer.errors[0].item == 0
    with Client(served.url, key="wrong") as client, pytest.raises(ServiceRefused) as refused:
        client.predict({"c": FEATURES})
    assert refused.value.where["status"] == 401


class _Flaky(BaseHTTPRequestHandler):
    """Stands before the service: lets the request through, then loses the answer."""

    upstream = ""
    losses: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        pool = urllib3.PoolManager(retries=False)
        answer = pool.request(
            "POST", self.upstream + self.path, body=body, headers=dict(self.headers)
        )
        content = answer.data
        pool.clear()
        loss = self.losses.pop() if self.losses else ""
        if loss == "cut":
            self.close_connection = True
            return
        self.send_response(503 if loss == "503" else answer.status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def _in_between(served: Live, losses: list[str]) -> Iterator[str]:
    handler = type("Handler", (_Flaky,), {"upstream": served.url, "losses": losses})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("kind", ["blocking", "asynchronous"])
def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_done_twice(
    served: Live, kind: str
) -> None:
    name = f"lost-{kind}"
    with _in_between(served, ["cut", "503", "cut"]) as url:
        if kind == "blocking":
            with Client(url, key=served.keys["all"]) as client:
                answer = client.predict({name: FEATURES})
        else:

            async def work():  # type: ignore[no-untyped-def]
                async with AsyncClient(url, key=served.keys["all"]) as client:
                    return await client.predict({name: FEATURES})

            answer = asyncio.run(work())
    with Client(served.url, key=served.keys["all"]) as direct:
        (recorded,) = direct.predictions(customer_id=name)
    assert recorded.prediction_id == answer.predictions[0].prediction_id


def test_when_nobody_answers_it_gives_up_and_another_address_is_asked(served: Live) -> None:
    nowhere = "http://127.0.0.1:9"
    with (
        Client(nowhere, key="k", patience_seconds=0.3) as client,
        pytest.raises(ServiceUnreachable),
    ):
        client.predict({"c": FEATURES})
    with Client(nowhere, served.url, key=served.keys["all"]) as client:
        assert client.predict({"c": FEATURES}).predictions


def test_what_is_no_churnkit_is_said_so() -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"hi")

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with (
            Client(f"http://127.0.0.1:{server.server_address[1]}") as client,
            pytest.raises(ServiceUnreachable, match="not what this client knows"),
        ):
            client.ready()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_pauses_grow_are_bounded_and_end() -> None:
    patience = Patience(10.0, started=0.0)
    pauses = []
    now = 0.0
    while (pause := patience.pause(now, None)) is not None:
        pauses.append(pause)
        now += pause
    assert now < 10.0
    assert max(pauses) <= 2.0
    asked = Patience(100.0, started=0.0).pause(0.0, "7")
    assert asked is not None
    assert 7.0 <= asked <= 8.75
    assert Patience(5.0, started=0.0).pause(0.0, "7") is None


def test_both_clients_know_the_same_requests_and_say_so() -> None:
    names = [name for name in vars(Requests) if not name.startswith("_")]
    assert names == [name for name in vars(RequestsLater) if not name.startswith("_")]
    for name in names:
        one, other = getattr(Client, name), getattr(AsyncClient, name)
        assert one.__doc__ == other.__doc__
        mine, its = inspect.signature(one), inspect.signature(other)
        assert mine.parameters == its.parameters
        assert str(its.return_annotation) in (
            mine.return_annotation,
            f"Async{mine.return_annotation}",
        )
        assert str(mine.return_annotation).isascii()
        assert "Call" not in str(mine)
        assert "Pages" not in str(mine)
    assert str(inspect.signature(Client.journal)) == (
        "(self, /, *, page_size: 'int' = 100) -> 'Iterator[JournalRow]'"
    )
