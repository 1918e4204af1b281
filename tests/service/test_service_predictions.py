"""Predictions over HTTP: what is asked, answered, recorded, and looked up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import churnkit as ck
from churnkit.usecases.operating.online import open_for_service
from tests.live import FEATURES, Live, item

REPLICAS = True


def test_an_answer_is_what_the_library_says_and_is_recorded(served: Live) -> None:
    told = served.predict(item("c-1"), reasons=3)
    assert told.status == 200, told.content
    (prediction,) = told.json["predictions"]
    assert served.service is not None
    with open_for_service(served.service.project.folder) as project:
        why = ck.explain(project, row=FEATURES, k=3).explanation
    assert prediction["probability"] == pytest.approx(why.probability, abs=1e-12)
    assert prediction["risk_band"] == why.risk_band
    assert prediction["reasons"] == [reason.model_dump() for reason in why.reasons]
    assert prediction["model_version"] == "v1"
    assert prediction["variant"] == "champion"
    recorded = served.ask("GET", f"/v1/predictions/{prediction['prediction_id']}").json
    assert {name: recorded[name] for name in prediction} == prediction
    assert recorded["request_id"] == told.headers["X-Request-Id"]


def test_many_items_come_back_in_their_order_with_ids_of_their_own(served: Live) -> None:
    items = [item(f"many-{i}", tenure=i % 72) for i in range(1_000)]
    told = served.predict(*items)
    assert told.status == 200
    predictions = told.json["predictions"]
    assert [p["customer_id"] for p in predictions] == [f"many-{i}" for i in range(1_000)]
    assert len({p["prediction_id"] for p in predictions}) == 1_000
    # Each one is what it is alone: a thousand rows take another way through the model.
    for i in (0, 71, 999):
        (alone,) = served.predict(items[i]).json["predictions"]
        assert alone["probability"] == pytest.approx(predictions[i]["probability"], abs=1e-12)
    last = served.ask("GET", f"/v1/predictions/{predictions[-1]['prediction_id']}")
    assert last.json["customer_id"] == "many-999"


def test_more_than_a_thousand_items_are_refused(served: Live) -> None:
    told = served.predict(*[item()] * 1_001)
    assert told.status == 422
    assert told.json["errors"][0]["field"] == "items"
    assert served.predict().status == 422


def test_an_unknown_category_is_scored_as_missing_and_named(served: Live) -> None:
    told = served.predict(item(Contract="Weekly"), item(), item(Contract=None))
    strange, known, missing = told.json["predictions"]
    assert strange["unknown_categories"] == ["Contract"]
    assert strange["probability"] == pytest.approx(missing["probability"], abs=1e-12)
    assert known["unknown_categories"] == missing["unknown_categories"] == []
    recorded = served.ask("GET", f"/v1/predictions/{strange['prediction_id']}").json
    assert recorded["unknown_categories"] == ["Contract"]


def test_every_wrong_field_is_named_with_item_given_and_expected(served: Live) -> None:
    bad = item("b", tenure="twelve", MonthlyCharges=[1])
    del bad["features"]["Contract"]
    told = served.predict(item("a"), bad)
    assert (told.status, told.kind) == (422, "request-invalid")
    assert told.headers["Content-Type"] == "application/problem+json"
    errors = {e["field"]: e for e in told.json["errors"]}
    assert set(errors) == {"features.tenure", "features.MonthlyCharges", "features.Contract"}
    assert {e["item"] for e in errors.values()} == {1}
    assert errors["features.tenure"]["given"] == "'twelve'"
    assert errors["features.tenure"]["expected"] == "a finite number, or null"
    assert errors["features.Contract"]["given"] is None
    # Nothing of the request was done.
    assert served.ask("GET", "/v1/predictions?customer_id=a").json["predictions"] == []


def test_with_skip_the_other_items_are_scored(served: Live) -> None:
    nameless = {"features": FEATURES}
    told = served.predict(
        item("s-0"), item("s-1", tenure="x"), nameless, item("s-3", tenure=2), on_error="skip"
    )
    assert told.status == 200, told.content
    assert [p["customer_id"] for p in told.json["predictions"]] == ["s-0", "s-3"]
    assert [(e["item"], e["field"]) for e in told.json["errors"]] == [
        (1, "features.tenure"),
        (2, "customer_id"),
    ]
    (alone,) = served.predict(item("s-3", tenure=2)).json["predictions"]
    assert told.json["predictions"][1]["probability"] == pytest.approx(
        alone["probability"], abs=1e-12
    )


def test_a_customer_without_features_is_refused_with_the_reason(served: Live) -> None:
    told = served.predict({"customer_id": "c"})
    assert told.status == 422
    (error,) = told.json["errors"]
    assert (error["item"], error["field"], error["given"]) == (0, "features", None)
    assert "no features from events" in error["fix"]


def test_as_of_needs_a_zone_and_is_recorded(served: Live) -> None:
    assert served.predict(item(), as_of="2026-03-01T12:00:00").status == 422
    told = served.predict(item(), as_of="2026-03-01T12:00:00+02:00")
    name = told.json["predictions"][0]["prediction_id"]
    recorded = served.ask("GET", f"/v1/predictions/{name}").json
    assert recorded["as_of"] == "2026-03-01T10:00:00Z"


def test_the_history_is_complete_and_in_order_across_pages(served: Live) -> None:
    before = datetime.now(UTC)
    names = [
        served.predict(item("paged", tenure=i)).json["predictions"][0]["prediction_id"]
        for i in range(7)
    ]
    found: list[str] = []
    cursor = ""
    pages = 0
    while True:
        told = served.ask("GET", f"/v1/predictions?customer_id=paged&limit=3{cursor}").json
        found += [p["prediction_id"] for p in told["predictions"]]
        pages += 1
        if told["next_cursor"] is None:
            break
        served.predict(item("paged"))  # what comes meanwhile shifts no page
        cursor = f"&cursor={told['next_cursor']}"
    assert (found, pages) == (names[::-1], 3)
    since = (before - timedelta(seconds=1)).isoformat().replace("+", "%2B")
    until = before.isoformat().replace("+", "%2B")
    path = f"/v1/predictions?customer_id=paged&from={since}"
    assert len(served.ask("GET", path).json["predictions"]) == 9
    assert served.ask("GET", f"{path}&to={until}").json["predictions"] == []
    assert served.ask("GET", "/v1/predictions?model_version=v9").json["predictions"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "cursor=!!", "cursor=Zm9v", "from=yesterday", "colour=red",
     "from=2026-01-01T00:00:00"],
)  # fmt: skip
def test_a_wrong_query_is_named(served: Live, query: str) -> None:
    told = served.ask("GET", f"/v1/predictions?{query}")
    assert (told.status, told.kind) == (422, "request-invalid")
    assert told.json["errors"][0]["field"] == f"query.{query.partition('=')[0]}"


def test_an_unknown_id_is_not_found(served: Live) -> None:
    told = served.ask("GET", "/v1/predictions/none")
    assert (told.status, told.kind) == (404, "not-found")
