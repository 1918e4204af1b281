"""DuckDB against the reference, on random logs."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.features.checking import check_features
from tests.features.built import built, built_for_one_moment
from tests.features.random_logs import Case, cases, moments
from tests.features.reference import reference
from tests.features.sets import EVERYTHING


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Whole numbers, texts and missing values are equal, others to 1e-9."""
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        if isinstance(value, float) and found[name] is not None:
            assert math.isclose(found[name], value, rel_tol=1e-9), (name, found[name], value)
        else:
            assert found[name] == value, (name, found[name], value)


@settings(max_examples=6)
@given(cases())
def test_each_request_equals_the_reference(case: Case) -> None:
    check_features(EVERYTHING, case.log.schema())
    rows = built(case.log, EVERYTHING, [*case.pairs, case.pairs[0]], plan="statement")
    assert set(rows) == set(case.pairs)
    for (customer, as_of_us), found in rows.items():
        assert_same(found, reference(case.log, EVERYTHING, customer, as_of_us))


@settings(max_examples=10)
@given(cases(4), st.lists(moments(), min_size=1, max_size=4, unique=True))
def test_shared_moments_equal_the_reference(case: Case, shared: list[int]) -> None:
    pairs = [(customer, as_of_us) for customer, _ in case.pairs for as_of_us in shared]
    rows = built(case.log, EVERYTHING, [*pairs, pairs[0]], plan="arrays")
    assert set(rows) == set(pairs)
    for (customer, as_of_us), found in rows.items():
        assert_same(found, reference(case.log, EVERYTHING, customer, as_of_us))


@settings(max_examples=4)
@given(cases(), moments())
def test_the_statement_for_one_moment_equals_the_reference(case: Case, as_of_us: int) -> None:
    pairs = [(customer, as_of_us) for customer, _ in case.pairs]
    known = {pair for pair in pairs if pair[0] in case.log.numbers()}
    rows = built_for_one_moment(case.log, EVERYTHING, pairs)
    assert set(rows) == known
    for (customer, _), found in rows.items():
        assert_same(found, reference(case.log, EVERYTHING, customer, as_of_us))
