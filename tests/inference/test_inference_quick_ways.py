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
from churnkit.inference.bit_walk import BitWalk, _before_rounding
from churnkit.inference.encoder import RowEncoder
from churnkit.inference.tree_shap import TreeArrays
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
        ModelInput(name="region", kind="category", categories=("north", "south")),
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
    "region": st.sampled_from(["north", "south", None, False, ("north",), ["north"]]),
}
_FINE: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.one_of(st.none(), _FLOATS, st.integers(-(2**60), 2**60), st.just(math.nan)),
    "active": st.sampled_from([None, True, False, 0, 1]),
    "plan": st.sampled_from([None, "basic", "plus", "new", 3]),
    "region": st.sampled_from(["north", "south", None]),
}
_TEXTS_AND_NUMBERS: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.one_of(_FLOATS, st.integers(-100, 100)),
    "active": st.booleans(),
    "plan": st.sampled_from(["basic", "plus", "new"]),
    "region": st.sampled_from(["north", "south"]),
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
            expected.append(np.array(encoder._values(row)))
            assert np.array_equal(encoder.encode(row), expected[-1], equal_nan=True)
        except ChurnkitError as error:
            with pytest.raises(type(error)) as caught:
                encoder.encode(row)
            assert (caught.value.what, caught.value.where) == (error.what, error.where)
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


@pytest.mark.parametrize("n_leaves", [2, 8, 9, 33, 64])
def test_many_rows_through_the_bits_are_the_rows_one_by_one(n_leaves: int) -> None:
    generator = np.random.default_rng(n_leaves)
    trees = [_tree(generator, n_leaves, n_inputs=5) for _ in range(23)]
    walk = BitWalk(trees, 6, 0.25, float32=bool(n_leaves % 2), fill=None)
    assert walk.takes_many
    X = np.round(generator.normal(size=(700, 6)), 1)
    X[generator.random(X.shape) < 0.1] = np.nan
    X[0], X[1], X[2] = np.nan, LARGEST, -LARGEST
    expected = [walk.margin_one(x) for x in X]
    for rows in (X, np.asfortranarray(X), X[::-1][::-1]):
        np.testing.assert_allclose(walk.margins(rows), expected, rtol=0, atol=1e-12)
    assert len(walk.margins(X[:0])) == 0
    assert len(set(expected)) > 20 or n_leaves == 2


def _tree(generator: np.random.Generator, n_leaves: int, n_inputs: int) -> TreeArrays:
    """A tree that grew by splitting any leaf."""
    left, right = [-1], [-1]
    while left.count(-1) < n_leaves:
        node = int(generator.choice([i for i, child in enumerate(left) if child < 0]))
        left[node], right[node] = len(left), len(left) + 1
        left += [-1, -1]
        right += [-1, -1]
    n = len(left)
    return TreeArrays(
        left=np.array(left),
        right=np.array(right),
        feature=generator.integers(0, n_inputs, n),
        threshold=np.round(generator.normal(size=n), 1),
        default_left=generator.random(n) < 0.5,
        cover=np.ones(n),
        value=generator.normal(size=n),
    )
