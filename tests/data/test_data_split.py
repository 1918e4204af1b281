"""Laws of the split: nobody is on both sides, and nobody learns from the future."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from churnkit.data.split import Split, fold_indices, split_rows
from churnkit.data.target import labels
from churnkit.errors import BadValue, ColumnMissing, TooFewRows
from churnkit.settings.sources import ColumnsTable
from tests.data.typed_tables import TELCO, telco

PLAIN = ColumnsTable(target="left", positive="true")
WITH_ID = PLAIN.model_copy(update={"id": "who"})
WITH_TIME = WITH_ID.model_copy(update={"time": "as_of"})


def _months(numbers: np.ndarray) -> pa.Array:
    start = np.datetime64("2024-01-01", "D")
    return pa.array((start + 30 * numbers).astype("datetime64[us]"), pa.timestamp("us", "UTC"))


def _table(n: int, n_customers: int, n_months: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "who": [f"c{k}" for k in rng.integers(0, n_customers, n)],
            "as_of": _months(rng.integers(0, n_months, n)),
            "x": np.round(rng.normal(size=n), 1),
            "z": rng.integers(0, 4, n),
            "left": rng.random(n) < 0.3,
        }
    )


def _assert_lawful(split: Split, table: pa.Table, columns: ColumnsTable) -> None:
    assert not set(split.train) & set(split.test)
    assert np.all(np.diff(split.train) > 0)
    assert np.all(np.diff(split.test) > 0)
    assert not set(split.groups[split.train]) & set(split.groups[split.test])
    if columns.id:
        who = np.array(table[columns.id].to_pylist())
        assert not set(who[split.train]) & set(who[split.test])
    y = labels(table, columns.target, columns.positive)
    for train, check in fold_indices(split, y[split.train], n_folds=4, seed=1):
        groups = split.groups[split.train]
        assert not set(groups[train]) & set(groups[check])
        for part in (train, check):
            assert 0 < y[split.train][part].mean() < 1
        if split.kind == "time":
            assert split.order is not None
            order = split.order[split.train]
            if len(np.unique(order)) < 3:
                continue  # too few moments for folds in time
            assert order[train].max() < order[check].min()


@given(st.integers(300, 600), st.integers(100, 400), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_customers_and_equal_rows_never_straddle(n: int, n_customers: int, seed: int) -> None:
    table = _table(n, n_customers, 1, seed).drop_columns(["as_of"])
    split = split_rows(table, WITH_ID, test_share=0.3, seed=seed)
    assert len(split.train) + len(split.test) == n
    _assert_lawful(split, table, WITH_ID)


@given(st.integers(200, 600), st.integers(30, 600), st.integers(2, 12), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_time_split_never_learns_from_the_future(
    n: int, n_customers: int, n_months: int, seed: int
) -> None:
    table = _table(n, n_customers, n_months, seed)
    try:
        split = split_rows(table, WITH_TIME, test_share=0.3, seed=seed)
    except TooFewRows:
        assume(False)
    moments = np.array(table["as_of"].cast(pa.int64()).to_pylist())
    assert split.kind == "time"
    assert moments[split.train].max() < moments[split.test].min()
    _assert_lawful(split, table, WITH_TIME)


def test_telco_keeps_its_twins_together_and_its_rate() -> None:
    table = telco()
    split = split_rows(table, TELCO, test_share=0.25, seed=0)
    y = labels(table, "Churn", "Yes")
    assert split.kind == "grouped"
    assert abs(len(split.test) - 0.25 * len(y)) < 15
    assert abs(y[split.test].mean() - y[split.train].mean()) < 0.005
    _assert_lawful(split, table, TELCO)
    folds = fold_indices(split, y[split.train], n_folds=5, seed=0)
    checked = np.sort(np.concatenate([check for _, check in folds]))
    assert np.array_equal(checked, np.arange(len(split.train)))


def test_same_seed_same_split_and_another_seed_another() -> None:
    table = _table(400, 400, 1, 0)
    first, again, other = (split_rows(table, PLAIN, test_share=0.25, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)


def test_a_panel_of_everybody_each_month_can_be_divided() -> None:
    rng = np.random.default_rng(0)
    month, who = np.divmod(np.arange(6 * 400), 400)
    table = pa.table(
        {
            "who": [f"c{k}" for k in who],
            "as_of": _months(month),
            "x": rng.normal(size=len(who)),
            "left": np.tile(rng.random(400) < 0.3, 6),
        }
    )
    split = split_rows(table, WITH_TIME, test_share=0.25, seed=0)
    _assert_lawful(split, table, WITH_TIME)
    assert split.kind == "time"
    assert len(split.train) > 800
    assert "left out" in split.why


def test_simulated_customers_are_not_drawn_by_the_numbers_that_made_them_leave() -> None:
    # default_rng(0) decides who left; the split with seed 0 must not be its echo.
    left = np.random.default_rng(0).random(400) < 0.3
    table = pa.table(
        {
            "who": np.tile(np.arange(400), 6),
            "as_of": _months(np.repeat(np.arange(6), 400)),
            "x": np.random.default_rng(1).normal(size=2_400),
            "left": np.tile(left, 6),
        }
    )
    split = split_rows(table, WITH_TIME, test_share=0.25, seed=0)
    assert abs(np.tile(left, 6)[split.test].mean() - left.mean()) < 0.15


def test_folds_disregard_time_where_the_past_has_one_moment() -> None:
    table = _table(400, 400, 2, 0)
    split = split_rows(table, WITH_TIME, test_share=0.4, seed=0)
    y = labels(table, "left", "true")[split.train]
    folds = fold_indices(split, y, n_folds=4, seed=0)
    assert split.kind == "time"
    assert sorted(np.concatenate([check for _, check in folds])) == list(range(len(y)))


def test_one_moment_only_is_no_time_split() -> None:
    table = _table(300, 300, 1, 0)
    assert split_rows(table, WITH_TIME, test_share=0.25, seed=0).kind == "grouped"


def test_inputs_that_many_share_do_not_tie_customers_together() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.random(4_000) < 0.5, "left": rng.random(4_000) < 0.3})
    split = split_rows(table, PLAIN, test_share=0.25, seed=0)
    assert split.kind == "random"
    assert abs(len(split.test) - 1_000) <= 2


@pytest.mark.parametrize("n_left", [5, 12])
def test_too_few_churners(n_left: int) -> None:
    table = pa.table({"x": range(300), "left": [k < n_left for k in range(300)]})
    with pytest.raises(TooFewRows):
        split_rows(table, PLAIN, test_share=0.25, seed=0)


def test_folds_that_would_lack_a_class_are_refused() -> None:
    table = pa.table({"x": range(300), "left": [k < 40 for k in range(300)]})
    split = split_rows(table, PLAIN, test_share=0.25, seed=0)
    y = labels(table, "left", "true")[split.train]
    with pytest.raises(TooFewRows, match="folds"):
        fold_indices(split, y, n_folds=60, seed=0)


def test_rows_without_a_time_and_columns_that_are_not_there() -> None:
    table = _table(300, 300, 3, 0)
    day = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    gaps = pa.array([None if k == 7 else day for k in range(300)], pa.timestamp("us", "UTC"))
    at = table.column_names.index("as_of")
    with pytest.raises(BadValue) as caught:
        split_rows(table.set_column(at, "as_of", gaps), WITH_TIME, test_share=0.25, seed=0)
    assert caught.value.where["row"] == 8
    with pytest.raises(ColumnMissing):
        split_rows(table.drop_columns(["who"]), WITH_ID, test_share=0.25, seed=0)


def _panel_table(n: int = 400) -> pa.Table:
    """Three dates to learn from and one to judge at; everybody is at each of them."""
    rng = np.random.default_rng(5)
    dates = [dt.datetime(2025, month, 1, tzinfo=dt.UTC) for month in (1, 2, 3, 6)]
    return pa.table(
        {
            "customer_id": [f"c{i}" for _ in dates for i in range(n)],
            "as_of": pa.array([d for d in dates for _ in range(n)], pa.timestamp("us", tz="UTC")),
            "x": rng.normal(size=n * len(dates)),
            "churned": rng.random(n * len(dates)) < 0.3,
        }
    )


JUNE = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
PANEL = ColumnsTable(target="churned", positive="true", id="customer_id", time="as_of")


def test_a_panel_is_divided_at_its_test_date_and_nowhere_else() -> None:
    table = _panel_table()
    split = split_rows(table, PANEL, test_share=0.25, seed=1, test_from=JUNE)
    assert split.kind == "panel"
    assert (len(split.train), len(split.test)) == (1_200, 400)
    assert "learnt from 3 dates, 2025-01-01 … 2025-03-01, judged at 2025-06-01" in split.why
    assert "100% of the rows to judge are of customers seen" in split.why


def test_folds_of_a_panel_are_later_and_of_other_customers() -> None:
    table = _panel_table()
    split = split_rows(table, PANEL, test_share=0.25, seed=1, test_from=JUNE)
    left = table["churned"].to_numpy(zero_copy_only=False)[split.train]
    folds = fold_indices(split, left, n_folds=4, seed=1)
    assert len(folds) == 4
    ids = np.array(table["customer_id"].to_pylist())[split.train]
    assert split.order is not None
    order = split.order[split.train]
    for fit, check in folds:
        assert order[fit].max() < order[check].min()
        assert not set(ids[fit]) & set(ids[check])
    assert sorted(np.concatenate([check for _, check in folds])) == list(np.flatnonzero(order == 2))
