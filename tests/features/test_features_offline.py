"""DuckDB against the reference, on random logs."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings

from churnkit.features.checking import check_features
from tests.features.built import built
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


@settings(max_examples=8)
@given(cases())
def test_each_request_equals_the_reference(case: Case) -> None:
    check_features(EVERYTHING, case.log.schema())
    rows = built(case.log, EVERYTHING, [*case.pairs, case.pairs[0]], by_moment=False)
    assert set(rows) == set(case.pairs)
    for (customer, as_of_us), found in rows.items():
        assert_same(found, reference(case.log, EVERYTHING, customer, as_of_us))


@settings(max_examples=8)
@given(cases(), moments())
def test_one_moment_for_all_equals_the_reference(case: Case, as_of_us: int) -> None:
    pairs = [(customer, as_of_us) for customer, _ in case.pairs]
    rows = built(case.log, EVERYTHING, [*pairs, pairs[0]], by_moment=True)
    assert set(rows) == set(pairs)
    for (customer, _), found in rows.items():
        assert_same(found, reference(case.log, EVERYTHING, customer, as_of_us))
