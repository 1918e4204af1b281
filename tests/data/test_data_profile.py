"""Figures of a table, counted exactly."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.data.profile import profile_table
from churnkit.data.simulate import bank_like
from churnkit.domain.profiles import TableProfile
from churnkit.errors import TargetInvalid
from churnkit.settings.sources import ColumnsTable
from tests.data.typed_tables import TELCO, schema_of, telco


def _profile(table: pa.Table, columns: ColumnsTable) -> TableProfile:
    return profile_table(table, schema_of(table), columns, source="a test")


def test_telco() -> None:
    table = telco()
    seen = profile_table(
        table, schema_of(table), TELCO, source="telco.csv", blanks={"TotalCharges": 11}
    )
    columns = {column.name: column for column in seen.columns}
    assert (seen.n_rows, seen.n_positive, seen.duplicate_ids) == (7_043, 1_869, 0)
    assert round(seen.rate, 4) == 0.2654
    charges = columns["TotalCharges"]
    assert (charges.missing, charges.blanks, charges.low) == (11, 11, 18.8)
    assert columns["Contract"].top[0] == ("Month-to-month", 3_875)
    assert columns["customerID"].role == "id"
    assert columns["customerID"].distinct == 7_043


rows = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", None]), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(rows)
@settings(max_examples=80, deadline=None)
def test_repeats_and_contradictions_are_counted_exactly(
    rows: list[tuple[int, str | None, bool]],
) -> None:
    table = pa.table(
        {
            "who": [who for who, _, _ in rows],
            "x": pa.array([x for _, x, _ in rows], pa.string()),
            "left": [left for _, _, left in rows],
        }
    )
    seen = _profile(table, ColumnsTable(target="left", positive="true", id="who"))
    by_input: dict[str | None, set[bool]] = {}
    for _, x, left in rows:
        by_input.setdefault(x, set()).add(left)
    assert seen.duplicate_ids == len(rows) - len({who for who, _, _ in rows})
    assert seen.duplicates == len(rows) - len(Counter((x, left) for _, x, left in rows))
    assert seen.conflicting == sum(len(labels) == 2 for labels in by_input.values())


def test_coded_missing_values_are_noticed_and_kept() -> None:
    seen = _profile(
        bank_like(3_000, seed=1),
        ColumnsTable(target="Attrition_Flag", positive="Attrited Customer"),
    )
    words = {column.name: column.missing_words for column in seen.columns if column.missing_words}
    assert words == {
        "Education_Level": ("Unknown",),
        "Marital_Status": ("Unknown",),
        "Income_Category": ("Unknown",),
    }
    assert all(column.missing == 0 for column in seen.columns)


def test_a_number_that_stands_apart_is_noticed() -> None:
    table = pa.table(
        {"y": [True, False] * 100, "score": [-999 if k % 5 == 0 else k % 50 for k in range(200)]}
    )
    seen = _profile(table, ColumnsTable(target="y", positive="true"))
    assert seen.columns[1].missing_words == ("-999",)


def test_constant_and_empty_columns() -> None:
    table = pa.table(
        {"y": [True, False] * 5, "same": ["a"] * 10, "none": pa.array([None] * 10, pa.float64())}
    )
    seen = {
        column.name: column
        for column in _profile(table, ColumnsTable(target="y", positive="true")).columns
    }
    assert seen["same"].constant
    assert seen["none"].constant
    assert seen["none"].low is None
    assert not seen["y"].constant


def test_blank_targets_are_refused() -> None:
    with pytest.raises(TargetInvalid):
        _profile(pa.table({"y": ["Yes", None]}), ColumnsTable(target="y", positive="Yes"))
