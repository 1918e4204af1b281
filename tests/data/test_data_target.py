"""The target: what can be learnt, and what is refused."""

from __future__ import annotations

import pyarrow as pa
import pytest

from churnkit.data.target import check_target, labels
from churnkit.errors import ColumnMissing, TargetInvalid
from tests.data.typed_tables import telco


def test_telco_has_the_published_churners() -> None:
    table = telco()
    check_target(table, "Churn", "Yes")
    assert int(labels(table, "Churn", "Yes").sum()) == 1_869


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (["Yes", "No", "No"], " yes"),
        ([1, 0, 0], "1"),
        ([1, 0, 0], "true"),
        ([1.0, 0.0, 0.0], "1"),
        ([True, False, False], "1"),
        ([True, False, False], "Yes"),
    ],
)
def test_positive_is_read_as_a_person_means_it(values: list[object], positive: str) -> None:
    table = pa.table({"left": values})
    check_target(table, "left", positive)
    assert labels(table, "left", positive).tolist() == [True, False, False]


def test_values_that_differ_in_case_only_are_kept_apart() -> None:
    assert labels(pa.table({"left": ["y", "Y", "y"]}), "left", "Y").tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["No"] * 5, "one value"),
        (["Yes", "No", "Maybe"], "3 values"),
        (["Yes", None, "No"], "1 of 3 rows have no value"),
        (pa.array([None, None], pa.string()), "blank"),
        (["stayed", "left"], "'Yes'"),
    ],
)
def test_what_cannot_be_learnt_is_refused(values: object, says: str) -> None:
    with pytest.raises(TargetInvalid, match=says) as caught:
        check_target(pa.table({"left": values}), "left", "Yes")
    assert caught.value.where["column"] == "left"


def test_missing_target_names_the_closest_column() -> None:
    with pytest.raises(ColumnMissing, match="Did you mean 'Churn'"):
        check_target(telco(), "Chrn", "Yes")
