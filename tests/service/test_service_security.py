"""Who may do what, and what hostile clients get."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from churnkit.domain.keys import new_key
from churnkit.ledger.keys import add_key
from churnkit.usecases.operating import keys as usecases
from tests.live import FEATURES, Live, item, live

REPLICAS = "long"

PATHS = (
    ("POST", "/v1/predictions", "score"),
    ("GET", "/v1/predictions", "read"),
    ("GET", "/v1/predictions/x", "read"),
    ("POST", "/v1/explanations", "score"),
    ("GET", "/v1/explanations/x", "read"),
    ("GET", "/v1/customers", "read"),
    ("GET", "/v1/customers/x", "read"),
    ("GET", "/v1/metrics/summary", "read"),
    ("GET", "/v1/models", "read"),
    ("GET", "/v1/models/v1", "read"),
    ("GET", "/v1/models/aliases", "read"),
    ("GET", "/v1/models/history", "read"),
    ("GET", "/v1/models/verify", "read"),
    ("GET", "/v1/models/v1/load", "read"),
    ("POST", "/v1/models/v9/load", "operate"),
    ("PUT", "/v1/models/aliases/champion", "operate"),
    ("POST", "/v1/models/aliases/champion/rollback", "operate"),
)


@pytest.mark.parametrize(("method", "path", "scope"), PATHS)
def test_without_a_key_with_a_wrong_one_and_without_the_scope(
    served: Live, method: str, path: str, scope: str
) -> None:
    # What changes who serves is asked for a version that there is not.
    bodies = {"score": {"items": [item()]}, "operate": {"version": "v9", "why": "x"}}
    body = None if method == "GET" else bodies[scope]
    good = served.keys["all"]
    changed = good[:-1] + ("A" if good[-1] != "A" else "B")
    for key in (None, "", "nonsense", "ck_000000000000_" + "x" * 43, good + "x", changed):
        told = served.ask(method, path, body, key=key)
        assert (told.status, told.kind) == (401, "unauthorized")
        assert told.headers["WWW-Authenticate"].startswith("Bearer")
    for name in ("score", "read"):
        told = served.ask(method, path, body, key=name)
        assert (told.status == 403) == (name != scope)
    # The rollback has other fields: it is refused, but not for want of a scope.
    assert served.ask(method, path, body, key="admin").status in (200, 404, 422)
    basic = served.ask(method, path, body, key=None, headers={"Authorization": "Basic Y2s6Y2s="})
    assert basic.status == 401


def test_what_needs_no_key_needs_none(served: Live) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        assert served.ask("GET", path, key=None).status == 200


def test_a_revoked_or_expired_key_opens_nothing(served_folder: Path, postgres_url: str) -> None:
    with live(served_folder, postgres_url, keys_seconds=0.2) as served:
        assert served.service is not None
        project = served.service.project
        made = usecases.create_key(project, "brief", ("read",))
        assert served.ask("GET", "/v1/predictions", key=made.token).status == 200
        usecases.revoke(project, made.key.key_id)
        time.sleep(0.3)
        assert served.ask("GET", "/v1/predictions", key=made.token).status == 401
        now = datetime.now(UTC)
        old, token = new_key("old", ("read",), now=now, expires_at=now - timedelta(seconds=1))
        add_key(project.ledger.engine, old)
        time.sleep(0.6)
        assert served.ask("GET", "/v1/predictions", key=token).status == 401


def test_only_hashes_of_keys_are_stored(on_postgres: Live) -> None:
    assert on_postgres.service is not None
    with on_postgres.service.project.ledger.engine.connect() as connection:
        rows = str(connection.execute(sa.text("select * from api_keys")).all())
    for token in on_postgres.keys.values():
        assert token.split("_", 2)[2] not in rows


def test_in_development_this_machine_needs_no_key(served_folder: Path, postgres_url: str) -> None:
    with live(served_folder, postgres_url, development=True) as served:
        assert served.predict(item(), key=None).status == 200
        # A proxy in front, or a page that gave this address a name of its own.
        for headers in (
            {"X-Forwarded-For": "10.0.0.1"},
            {"Forwarded": "for=10.0.0.1"},
            {"Host": "evil.example"},
            {"Host": "127.0.0.1.evil.example:80"},
        ):
            assert served.predict(item(), key=None, headers=headers).status == 401
        assert served.predict(item(), key="wrong").status == 401


TEXTS = (
    "'; drop table predictions; --",
    "' or '1'='1",
    "\\'; select pg_sleep(5); --",
    "%' union select secret_hash from api_keys --",
    "$1; delete from predictions",
    "${jndi:ldap://x}",
    "../../../../etc/passwd",
    "\u202e\u0000"[:1] + "𝔘𝔫𝔦",
)


@pytest.mark.parametrize("text", TEXTS)
def test_sql_and_paths_in_every_text_are_only_text(served: Live, text: str) -> None:
    told = served.predict(
        item(text, Contract=text), headers={"Idempotency-Key": "k" + str(hash(text))}
    )
    assert told.status == 200, told.content
    (prediction,) = told.json["predictions"]
    assert prediction["customer_id"] == text
    assert prediction["unknown_categories"] == ["Contract"]
    for name in ("customer_id", "model_version"):
        found = served.ask("GET", f"/v1/predictions?{name}={quote(text[:60])}")
        assert found.status == 200
        assert len(found.json["predictions"]) == (1 if name == "customer_id" else 0)
    assert served.ask("GET", f"/v1/predictions?cursor={quote(text)}").status == 422
    assert served.ask("GET", f"/v1/predictions/{quote(text, safe='')}").status == 404
    assert served.ask("GET", "/v1/predictions?limit=1").status == 200  # the tables are there


@pytest.mark.parametrize("text", TEXTS)
def test_sql_and_paths_in_texts_about_models_and_customers_are_only_text(
    served: Live, text: str
) -> None:
    told = served.ask(
        "POST", "/v1/explanations",
        {"items": [{**item(text, Contract=text), "changes": {"PaymentMethod": text}}]},
    )  # fmt: skip
    assert told.status == 200, told.content
    assert told.json["explanations"][0]["customer_id"] == text
    changes = {"items": [{**item(), "changes": {text: 1}}]}
    assert served.ask("POST", "/v1/explanations", changes).status == 422
    version = {"items": [item()], "model_version": text}
    assert served.ask("POST", "/v1/explanations", version).status == 404
    part = quote(text, safe="")
    for path in ("explanations", "customers", "models"):
        # A customer of this name may have been scored by another test.
        expected = (200, 404) if path == "customers" else (404,)
        assert served.ask("GET", f"/v1/{path}/{part}").status in expected
    for name in ("prefix", "search", "model_version"):
        found = served.ask("GET", f"/v1/customers?{name}={part}&counts=true&sort=risk_band")
        assert found.status == 200, found.content
        assert found.json["counts"]["total"] <= 1
    for name in ("sort", "order", "risk_band", "cursor", "min_probability"):
        assert served.ask("GET", f"/v1/customers?{name}={part}").status == 422
    cursor = base64.urlsafe_b64encode(json.dumps(["customer_id", "asc", text]).encode()).decode()
    assert served.ask("GET", f"/v1/customers?sort=customer_id&cursor={cursor}").status == 200
    for name in ("model_version", "variant", "route"):
        assert served.ask("GET", f"/v1/metrics/summary?{name}={part}").status == 200
    for name in ("from", "bucket_seconds"):
        assert served.ask("GET", f"/v1/metrics/summary?{name}={part}").status == 422
    for path in (f"/v1/models/{part}/load", f"/v1/models/aliases/{part}"):
        method = "POST" if path.endswith("load") else "PUT"
        assert served.ask(method, path, {"version": "v1", "why": text}).status == 404
    refused = served.ask("PUT", "/v1/models/aliases/champion", {"version": text, "why": text})
    assert refused.status == 404
    moved = served.ask("PUT", "/v1/models/aliases/challenger", {"version": "v2", "why": text})
    assert moved.status == 200
    for path in ("customers", "models", "models/verify", "metrics/summary"):
        assert served.ask("GET", f"/v1/{path}").status == 200  # the tables are there
    assert served.ask("GET", "/v1/models/aliases").json["champion"] == "v1"


MALFORMED: tuple[tuple[bytes, int], ...] = (
    (b"", 400),
    (b"{", 400),
    (b'{"items": [' * 100_000, 400),
    (b"[" * 100_000 + b"]" * 100_000, 400),
    (b'{"items": NaN}', 400),
    (b'{"items": [Infinity]}', 400),
    (b'{"items": [1e999]}', 400),
    (b'\xff\xfe{"items": []}', 400),
    (b'{"items": "\xed\xa0\x80"}', 400),
    (b'{"items": ["\\ud800"]}', 400),
    (b"null", 422),
    (b"[]", 422),
    (b"1", 422),
    (b'"items"', 422),
    (b'{"items": null}', 422),
    (b'{"items": {}}', 422),
    (b'{"items": [[]]}', 422),
    (b'{"items": [null]}', 422),
    (b'{"items": [{}], "colour": "red"}', 422),
    (b'{"items": [{"customer_id": "a\\u0000b", "features": {}}]}', 422),
)


@pytest.mark.parametrize(("body", "status"), MALFORMED, ids=lambda v: str(v)[:30])
def test_malformed_bodies_are_refused(served: Live, body: bytes, status: int) -> None:
    told = served.ask("POST", "/v1/predictions", body)
    assert told.status == status, told.content
    assert told.headers["Content-Type"] == "application/problem+json"
    assert told.json["status"] == status


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("customer_id", 1), ("customer_id", ""), ("customer_id", "x" * 201), ("customer_id", None),
        ("features", []), ("features", "x"), ("features", {"tenure": {"a": 1}}),
        ("features", {**FEATURES, "tenure": [1]}), ("features", {**FEATURES, "tenure": "1"}),
        ("features", {**FEATURES, "Contract": 1.5}), ("features", {**FEATURES, "Contract": True}),
        ("features", {**FEATURES, "tenure": 10**400}), ("features", {**FEATURES, "more": {}}),
    ],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_wrong_types_are_refused(served: Live, name: str, value: Any) -> None:
    told = served.predict({**item(), name: value})
    assert told.status in (400, 422)
    if told.status == 422:
        assert told.json["errors"][0]["item"] == 0
        assert told.json["errors"][0]["field"].startswith(name)
    # The same among many, where rows take another way.
    many = served.predict(*[item()] * 70, {**item(), name: value})
    assert many.status == told.status


@pytest.mark.parametrize(
    "asked",
    [{"reasons": -1}, {"reasons": 1.5}, {"reasons": "3"}, {"reasons": True}, {"reasons": 101},
     {"on_error": "ignore"}, {"as_of": 5}, {"as_of": "0.5"}, {"as_of": "0001-01-01T00:00:00+14:00"},
     {"as_of": "9999-12-31T23:59:59-14:00"}, {"as_of": "tomorrow"}],
    ids=str,
)  # fmt: skip
def test_wrong_options_are_refused(served: Live, asked: dict[str, Any]) -> None:
    told = served.predict(item(), **asked)
    assert told.status == 422
    assert told.json["errors"][0]["field"] == next(iter(asked))


def test_a_feature_that_the_model_does_not_read_is_left_alone(served: Live) -> None:
    plain, more = (served.predict(i).json["predictions"][0] for i in (item(), item(colour="red")))
    assert plain["probability"] == more["probability"]


def test_the_body_must_say_that_it_is_json(served: Live) -> None:
    body = json.dumps({"items": [item()]}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        told = served.ask("POST", "/v1/predictions", body, headers={"Content-Type": kind})
        assert (told.status, told.kind) == (415, "media-type-unsupported")
    sent = {"Content-Type": "application/json; charset=utf-8"}
    assert served.ask("POST", "/v1/predictions", body, headers=sent).status == 200


def test_large_bodies_are_refused_also_when_they_are_compressed(
    served_folder: Path, postgres_url: str
) -> None:
    with live(served_folder, postgres_url, max_body_bytes=100_000) as served:
        big = json.dumps({"items": [item("x" * 100)] * 400}).encode()
        for body, headers in (
            (big, {}),
            (gzip.compress(b" " * 10**8), {"Content-Encoding": "gzip"}),
        ):
            told = served.ask("POST", "/v1/predictions", body, headers=headers)
            assert (told.status, told.kind) == (413, "body-too-large")
        assert served.predict(item()).status == 200


@pytest.mark.parametrize("path", ["/v1/predictions", "/v1/batches", "/v1/events", "/v1/rollouts"])
def test_a_body_that_is_not_encoded_as_its_head_says_is_malformed(served: Live, path: str) -> None:
    body = gzip.compress(json.dumps({"items": [item()]}).encode())
    sent = {"Content-Type": "text/csv" if path == "/v1/batches" else "application/json"}
    for encoding, wrong in (("deflate", body), ("gzip", body[:10] + b"x" * 50)):
        told = served.ask("POST", path, wrong, headers={**sent, "Content-Encoding": encoding})
        assert (told.status, told.kind) == (400, "body-malformed"), encoding
        assert told.headers["Connection"] == "close"
    assert served.predict(item()).status == 200


@pytest.mark.parametrize("path", ["/v1/predictions", "/v1/batches"])
def test_a_body_that_is_announced_as_too_large_is_not_waited_for(served: Live, path: str) -> None:
    host, port = served.url.rpartition("/")[2].split(":")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.keys['all']}\r\n"
        f"Content-Type: {'text/csv' if path == '/v1/batches' else 'application/json'}\r\n"
        "Content-Length: 99999999999\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=5) as plain:
        plain.sendall(head.encode())
        assert plain.recv(100).startswith(b"HTTP/1.1 413 ")


def test_strange_addresses_and_methods(served: Live) -> None:
    for path in ("/", "/v1", "/v1/predictions/../../etc/passwd", "/v1/predictions/%2e%2e%2f",
                 "/v1/predictions/%00", "/v1/predictions/%ff", "/docs/../openapi.json/x",
                 "//v1/predictions", "/v1/predictions/a/b"):  # fmt: skip
        told = served.ask("GET", path)
        assert (told.status, told.kind) == (404, "not-found"), path
    told = served.ask("DELETE", "/v1/predictions")
    assert (told.status, told.kind) == (405, "method-not-allowed")
    assert told.headers["Allow"] == "GET, HEAD, POST"


def test_a_request_id_is_taken_over_only_when_it_is_plain(served: Live) -> None:
    told = served.ask("GET", "/healthz", headers={"X-Request-Id": "trace-1.a_B"})
    assert told.headers["X-Request-Id"] == "trace-1.a_B"
    for bad in ("a b", "x" * 65, '{"a":1}', "é"):
        told = served.ask(
            "GET", "/healthz", headers={"X-Request-Id": bad.encode().decode("latin-1")}
        )
        assert told.headers["X-Request-Id"] != bad
        assert len(told.headers["X-Request-Id"]) == 32


def _raw(served: Live) -> socket.socket:
    host, _, port = served.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=15)


def test_slow_clients_are_let_go(served_folder: Path, postgres_url: str) -> None:
    with live(
        served_folder, postgres_url, idle_timeout_seconds=1.0, body_timeout_seconds=0.5
    ) as served:
        with _raw(served) as slow_head:
            slow_head.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\n")
            assert slow_head.recv(100) == b""  # closed, without an answer
        with _raw(served) as slow_body:
            slow_body.sendall(
                b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                + f"Authorization: Bearer {served.keys['all']}\r\n".encode()
                + b"Content-Length: 1000\r\n\r\n{"
            )
            assert slow_body.recv(100).startswith(b"HTTP/1.1 408")
        assert served.predict(item()).status == 200


def test_a_key_that_sends_too_fast_is_slowed_down(served_folder: Path, postgres_url: str) -> None:
    with live(served_folder, postgres_url, rate_per_second=5.0) as served:
        told = [served.ask("GET", "/v1/predictions") for _ in range(12)]
        assert {t.status for t in told} == {200, 429}
        assert told[0].status == 200
        refused = next(t for t in told if t.status == 429)
        assert (refused.kind, refused.headers["Retry-After"]) == ("too-many-requests", "1")
        assert served.ask("GET", "/v1/predictions", key="read").status == 200  # another key


def test_cors_is_closed_and_opens_for_named_origins_only(
    served: Live, served_folder: Path, postgres_url: str
) -> None:
    asked = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    told = served.ask("OPTIONS", "/v1/predictions", key=None, headers=asked)
    assert "Access-Control-Allow-Origin" not in told.headers
    told = served.predict(item(), headers={"Origin": "https://app.example.com"})
    assert "Access-Control-Allow-Origin" not in told.headers
    origins = ("https://app.example.com",)
    with live(served_folder, postgres_url, cors_origins=origins) as opened:
        told = opened.ask("OPTIONS", "/v1/predictions", key=None, headers=asked)
        assert told.status == 204
        assert told.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
        assert told.headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST"
        assert "Access-Control-Allow-Credentials" not in told.headers
        other = {**asked, "Origin": "https://app.example.com.evil.example"}
        told = opened.ask("OPTIONS", "/v1/predictions", key=None, headers=other)
        assert "Access-Control-Allow-Origin" not in told.headers
        for origin, allowed in ((origins[0], True), ("null", False), ("https://evil", False)):
            told = opened.predict(item(), headers={"Origin": origin})
            assert ("Access-Control-Allow-Origin" in told.headers) is allowed
            assert told.headers["Vary"] == "Origin"


def test_the_page_of_the_contract_needs_nothing_from_elsewhere(served: Live) -> None:
    told = served.ask("GET", "/docs", key=None)
    page = told.content.decode()
    assert "<script" not in page
    assert 'src="' not in page
    assert "url(" not in page
    policy = told.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert told.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/v1/predictions", "/readyz"):
        assert path in page
