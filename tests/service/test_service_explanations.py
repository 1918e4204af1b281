"""Why, over HTTP: points that add up, what if, and reasons that were recorded."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from churnkit.client.asynchronous import AsyncClient
from churnkit.client.blocking import Client
from churnkit.usecases.models.verbs import list_models
from tests.live import FEATURES, Live, Told, item

REPLICAS = "long"


def _explain(served: Live, *items: dict[str, Any], **asked: Any) -> Told:
    return served.ask("POST", "/v1/explanations", {"items": list(items), **asked})


def _sum(score: dict[str, Any]) -> float:
    return float(sum(r["points"] for r in score["reasons"]) + score["other_points"])


def test_points_lead_from_the_base_to_the_probability(served: Live) -> None:
    told = _explain(served, item("a"), item("b", tenure=60, Contract="Two year"), k=4).json
    predicted = served.predict(item("a"), item("b", tenure=60, Contract="Two year")).json
    for one, known in zip(told["explanations"], predicted["predictions"], strict=True):
        assert one["customer_id"] == known["customer_id"]
        assert one["probability"] == pytest.approx(known["probability"], abs=1e-12)
        assert one["risk_band"] == known["risk_band"]
        assert len(one["reasons"]) == 4
        points = [abs(r["points"]) for r in one["reasons"]]
        assert points == sorted(points, reverse=True)
        assert told["base_probability"] + _sum(one) == pytest.approx(one["probability"], abs=1e-6)
    alone = _explain(served, item("a"), k=100).json["explanations"][0]
    assert (len(alone["reasons"]), alone["other_points"]) == (len(FEATURES), 0)
    assert "Shapley" in told["note"]


def test_what_if_compares_the_changed_customer_with_the_original(served: Live) -> None:
    changes = {"Contract": "Two year", "tenure": 60}
    told = _explain(served, {**item("a"), "changes": changes}, item("b")).json
    first, second = told["explanations"]
    assert second["what_if"] is None
    plain = served.predict(item("a", **changes)).json["predictions"][0]
    what_if = first["what_if"]
    assert what_if["changed"]["probability"] == pytest.approx(plain["probability"], abs=1e-12)
    assert what_if["difference"] == pytest.approx(
        plain["probability"] - first["probability"], abs=1e-12
    )
    assert what_if["difference"] < 0
    effects = {effect["column"]: effect for effect in what_if["columns"]}
    assert effects.keys() == changes.keys()
    assert effects["Contract"]["before"] == "Month-to-month"
    assert effects["Contract"]["after"] == "Two year"
    assert effects["Contract"]["points_after"] < effects["Contract"]["points_before"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"changes": {"tenure": "x"}}, "changes.tenure"),
        ({"changes": {"colour": "red"}}, "changes.colour"),
        ({"changes": []}, "changes"),
        ({"features": {**FEATURES, "tenure": [1]}}, "features.tenure"),
        ({"features": None}, "features"),
        ({"customer_id": ""}, "customer_id"),
    ],
)
def test_what_is_wrong_is_named(served: Live, wrong: dict[str, Any], field: str) -> None:
    told = _explain(served, item("a"), {**item("b"), **wrong})
    assert (told.status, told.kind) == (422, "request-invalid")
    assert [(e["item"], e["field"]) for e in told.json["errors"]] == [(1, field)]


def test_too_many_or_too_few_are_refused(served: Live) -> None:
    assert _explain(served).status == 422
    assert _explain(served, *[item()] * 101).status == 422
    for k in (0, 101, "3"):
        assert _explain(served, item(), k=k).status == 422


def test_an_unknown_category_is_named(served: Live) -> None:
    (one,) = _explain(served, item(Contract="Weekly")).json["explanations"]
    assert one["unknown_categories"] == ["Contract"]


def test_another_version_explains_when_it_is_ready(served: Live) -> None:
    told = _explain(served, item(), model_version="v2")
    assert (told.status, told.kind) == (409, "model-not-ready")
    assert _explain(served, item(), model_version="v9").status == 404
    served.ask("POST", "/v1/models/v2/load", {})
    end = time.monotonic() + 30
    while not served.ask("GET", "/v1/models/v2/load").json["ready"]:
        assert time.monotonic() < end
        time.sleep(0.02)
    told = _explain(served, item(), model_version="challenger")
    assert (told.status, told.json["model_version"]) == (200, "v2")
    assert _explain(served, item(), model_version="v1").json["model_version"] == "v1"


def test_recorded_reasons_are_those_of_their_prediction(served: Live) -> None:
    (with_reasons,) = served.predict(item("why"), reasons=3).json["predictions"]
    told = served.ask("GET", f"/v1/explanations/{with_reasons['prediction_id']}").json
    assert told["reasons"] == with_reasons["reasons"]
    assert told["base_probability"] + _sum(told) == pytest.approx(told["probability"], abs=1e-6)
    base = _explain(served, item()).json["base_probability"]
    assert told["base_probability"] == base
    (without,) = served.predict(item("why")).json["predictions"]
    told = served.ask("GET", f"/v1/explanations/{without['prediction_id']}").json
    assert told["reasons"] == []
    assert served.ask("GET", "/v1/explanations/none").status == 404


def test_nothing_is_recorded(served: Live) -> None:
    _explain(served, item("only-explained"))
    path = "/v1/predictions?customer_id=only-explained"
    assert served.ask("GET", path).json["predictions"] == []
    assert served.service is not None
    assert list_models(served.service.project).holders["champion"] == "v1"


def test_both_clients_ask_why(served: Live) -> None:
    changes = {"a": {"Contract": "Two year"}}
    (known,) = served.predict(item("a"), reasons=1).json["predictions"]
    with Client(served.url, key=served.keys["all"]) as client:
        told = client.explain({"a": FEATURES, "b": FEATURES}, changes=changes, k=2)
        assert told.explanations[0].what_if is not None
        assert told.explanations[1].what_if is None
        assert len(client.explanation(known["prediction_id"]).reasons) == 1

    async def work() -> None:
        async with AsyncClient(served.url, key=served.keys["all"]) as other:
            assert await other.explain({"a": FEATURES, "b": FEATURES}, changes=changes, k=2) == told
            assert (await other.explanation(known["prediction_id"])).customer_id == "a"

    asyncio.run(work())
