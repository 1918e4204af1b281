"""Simulated customers follow the truth that they state."""

from __future__ import annotations

import numpy as np
import pytest

from churnkit.data.simulate import NAIVE_BAYES, bank_like, snapshot, snapshot_probability
from churnkit.data.target import labels


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_stated_probability_is_the_true_one(seed: int) -> None:
    table = snapshot(60_000, seed=seed)
    said = snapshot_probability(table)
    left = labels(table, "churn", "Yes")
    for part in np.array_split(np.argsort(said), 20):
        error = np.sqrt((said[part] * (1 - said[part])).sum()) / len(part)
        assert abs(left[part].mean() - said[part].mean()) < 4.5 * error


def test_probability_follows_from_the_rows_alone() -> None:
    table = snapshot(2_000, seed=3)
    some = np.random.default_rng(0).permutation(2_000)[:300]
    assert np.array_equal(
        snapshot_probability(table.drop_columns(["churn"]).take(some)),
        snapshot_probability(table)[some],
    )


def test_same_seed_same_table() -> None:
    assert snapshot(500, seed=4).equals(snapshot(500, seed=4))
    assert not snapshot(500, seed=4).equals(snapshot(500, seed=5))
    assert bank_like(500, seed=4).equals(bank_like(500, seed=4))


def test_snapshot_has_unique_ids_and_lost_values() -> None:
    table = snapshot(5_000, seed=0)
    assert len(set(table["customer_id"].to_pylist())) == 5_000
    assert 0 < table["monthly_charge"].null_count < 250


def test_bank_has_the_published_shape() -> None:
    table = bank_like(seed=0)
    assert table.shape == (10_127, 23)
    assert table.column_names[:2] == ["CLIENTNUM", "Attrition_Flag"]
    assert tuple(table.column_names[-2:]) == NAIVE_BAYES
    assert len(set(table["CLIENTNUM"].to_pylist())) == 10_127
    assert abs(labels(table, "Attrition_Flag", "Attrited Customer").mean() - 0.1607) < 0.015
