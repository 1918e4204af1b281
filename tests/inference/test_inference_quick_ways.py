"""The quick ways say what the plain ones say: thresholds moved, rows encoded by column."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from churnkit.domain.columns import LARGEST, ModelInput, ModelSchema
from churnkit.errors import BadValue, ChurnkitError
from churnkit.inference.bit_walk import _before_rounding
from churnkit.inference.encoder import RowEncoder
from tests.models import fitted

_FLOATS = st.floats(min_value=-LARGEST, max_value=LARGEST)


def _rounded(x: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(x))


@given(_FLOATS, _FLOATS)
@example(0.5, 0.5)
@example(float(np.float32(0.1)), 0.1)
@example(0.0, -1e-46)
@example(16_777_217.0, 16_777_217.0)  # between two float32, a tie
@example(16_777_219.0, 16_777_219.0)
def test_a_moved_threshold_stands_for_rounded_numbers(threshold: float, x: float) -> None:
    moved = _before_rounding(threshold)
    near = [moved, threshold, _rounded(threshold)]
    near += [math.nextafter(moved, way) for way in (-math.inf, math.inf)]
    for number in (x, *near):
        if abs(number) > LARGEST:  # no row holds it
            continue
        assert (_rounded(number) <= threshold) == (number <= moved), number


_SCHEMA = ModelSchema(
    inputs=(
        ModelInput(name="amount", kind="number"),
        ModelInput(name="active", kind="boolean"),
        ModelInput(name="plan", kind="category", categories=("basic", "plus", "3")),
    ),
    id_column="customer_id",
    target="churned",
    positive="yes",
)
_CELLS: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.one_of(
        st.none(),
        st.floats(),
        st.integers(),
        st.booleans(),
        st.sampled_from([10**400, 2**53 + 1, "1"]),
    ),
    "active": st.sampled_from([None, True, False, 0, 1, 0.0, math.nan, 2, "yes"]),
    "plan": st.sampled_from([None, "basic", "plus", "new", 3, 4, math.nan, True, 1.5]),
}
_FINE: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.one_of(st.none(), _FLOATS, st.integers(-(2**60), 2**60), st.just(math.nan)),
    "active": st.sampled_from([None, True, False, 0, 1]),
    "plan": st.sampled_from([None, "basic", "plus", "new", 3]),
}
_TEXTS_AND_NUMBERS: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.one_of(_FLOATS, st.integers(-100, 100)),
    "active": st.booleans(),
    "plan": st.sampled_from(["basic", "plus", "new"]),
}


@given(
    st.sampled_from([_CELLS, _FINE, _TEXTS_AND_NUMBERS]).flatmap(
        lambda cells: st.lists(st.fixed_dictionaries(cells), min_size=8, max_size=20)
    )
)
def test_rows_by_column_are_the_rows_one_by_one(rows: list[dict[str, Any]]) -> None:
    encoder = RowEncoder(_SCHEMA)
    expected: list[Any] = []
    for i, row in enumerate(rows):
        try:
            expected.append(encoder.encode(row))
        except ChurnkitError as error:
            with pytest.raises(type(error)) as caught:
                encoder.encode_rows(rows)
            assert caught.value.what == error.what
            assert caught.value.where["row"] == i + 1
            return
    found = encoder.encode_rows(rows)
    assert np.array_equal(found, np.array(expected), equal_nan=True)


def test_an_absent_column_names_its_row() -> None:
    model = fitted("logistic_regression")
    rows: list[dict[str, Any]] = [dict.fromkeys(model.schema.names()) for _ in range(10)]
    del rows[7]["tenure"]
    with pytest.raises(ChurnkitError) as caught:
        RowEncoder(model.schema).encode_rows(rows)
    assert not isinstance(caught.value, BadValue)
    assert (caught.value.where["row"], caught.value.where["column"]) == (8, "tenure")
