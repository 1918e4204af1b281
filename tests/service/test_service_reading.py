"""The quick way into the service admits nothing that the contract refuses."""

from __future__ import annotations

from typing import Any

import pytest
from churnkit_service.reading import Asked, read_plain, read_request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from churnkit.client.messages.predictions import PredictionRequest

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
good_items = st.fixed_dictionaries(
    {
        "customer_id": st.text(min_size=1, max_size=20),
        "features": st.dictionaries(st.text(), scalars),
    }
)
items = st.lists(
    good_items
    | st.dictionaries(st.sampled_from(["customer_id", "features", "x"]), values)
    | values,
    max_size=4,
)
requests = st.fixed_dictionaries(
    {"items": items | values},
    optional={
        "reasons": st.integers(-1, 101) | values,
        "on_error": st.sampled_from(["fail", "skip", "x"]) | values,
        "as_of": st.sampled_from(["2026-01-01T00:00:00Z", "x", None]),
        "x": values,
    },
)


def _by_contract(data: Any) -> Asked | None:
    try:
        request = PredictionRequest.model_validate(data)
    except ValidationError:
        return None
    return Asked(
        [item.customer_id for item in request.items],
        [item.features for item in request.items],
        range(len(request.items)),
        request.reasons,
        request.on_error,
        request.as_of,
    )


@given(requests | values)
def test_what_the_quick_way_admits_is_what_the_contract_says(data: Any) -> None:
    quick = read_plain(data)
    if quick is not None:
        assert quick == _by_contract(data)


@given(st.lists(good_items, min_size=1, max_size=4), st.integers(0, 100))
def test_plain_requests_take_the_quick_way(many: list[dict[str, Any]], reasons: int) -> None:
    data = {"items": many, "reasons": reasons}
    expected = _by_contract(data)
    assert read_plain(data) == expected
    if expected is not None:
        assert read_request(data) == expected


@pytest.mark.parametrize("n", [0, 1_001])
def test_the_number_of_items_is_limited_both_ways(n: int) -> None:
    item = {"customer_id": "c", "features": {}}
    assert read_plain({"items": [item] * n}) is None
    assert _by_contract({"items": [item] * n}) is None
