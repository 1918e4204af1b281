"""Assignment: sticky, salted, monotone, and as large as the share says."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from churnkit.rollout.assignment import (
    CHALLENGER,
    CHAMPION,
    Assignment,
    bucket,
    buckets,
    rollout_assignment,
)

IDS = [f"C{number:06d}" for number in range(40_000)]


def test_bucket_is_pinned_for_ever() -> None:
    data = (4).to_bytes(8, "big") + b"salt" + b"C1"
    whole = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
    assert bucket("C1", salt="salt") == (whole >> 11) / 2**53
    # No two pairs of salt and id are the same bytes.
    assert bucket("b-C1", salt="a") != bucket("C1", salt="ab-")
    assert bucket("\x00C1", salt="a") != bucket("C1", salt="a\x00")


@pytest.mark.parametrize("share", [0.01, 0.05, 0.25])
@pytest.mark.parametrize("salt", ["r1", "r2", "r3", "r4"])
def test_share_is_respected_within_binomial_limits(share: float, salt: str) -> None:
    arms = rollout_assignment(salt=salt, challenger_share=share).arms(IDS)
    low, high = stats.binom.interval(0.999_9, len(IDS), share)
    assert low <= arms.count(CHALLENGER) <= high


@given(
    st.lists(st.text(max_size=12), min_size=1, max_size=30),
    st.text(min_size=1, max_size=8),
    st.lists(st.floats(0, 1), min_size=2, max_size=5),
)
def test_a_ramp_never_moves_a_customer_back(ids: list[str], salt: str, shares: list[float]) -> None:
    ramps = [
        rollout_assignment(salt=salt, challenger_share=share).arms(ids) for share in sorted(shares)
    ]
    for before, after in pairwise(ramps):
        moved_back = [
            old == CHALLENGER and new == CHAMPION for old, new in zip(before, after, strict=True)
        ]
        assert not any(moved_back)


@given(
    st.lists(st.text(max_size=12), max_size=30),
    st.text(min_size=1, max_size=8),
    st.lists(st.floats(0.01, 1), min_size=1, max_size=4),
)
def test_many_at_once_are_as_one_by_one(ids: list[str], salt: str, raw: list[float]) -> None:
    weights = tuple((f"arm{place}", weight / sum(raw)) for place, weight in enumerate(raw))
    assignment = Assignment(salt=salt, weights=weights, overrides={"x": "arm0"})
    ids = [*ids, "x"]
    assert assignment.arms(ids) == [assignment.arm(each) for each in ids]
    assert buckets(ids, salt=salt).tolist() == [bucket(each, salt=salt) for each in ids]
    assert assignment.arm("x") == "arm0"


def test_edges_get_nobody_and_everybody() -> None:
    assert set(rollout_assignment(salt="s", challenger_share=0).arms(IDS)) == {CHAMPION}
    assert set(rollout_assignment(salt="s", challenger_share=1).arms(IDS)) == {CHALLENGER}
    first = Assignment(salt="s", weights=(("a", 0.0), ("b", 1.0), ("c", 0.0)))
    assert set(first.arms(IDS)) == {"b"}


def test_overrides_win_over_the_bucket() -> None:
    forced = rollout_assignment(salt="s", challenger_share=0, overrides={"C000001": CHALLENGER})
    assert forced.arm("C000001") == CHALLENGER
    assert forced.arms(["C000000", "C000001"]) == [CHAMPION, CHALLENGER]


@pytest.mark.parametrize("salts", [("a", "b"), ("rollout-1", "rollout-2"), ("", "0")])
def test_salts_are_independent(salts: tuple[str, str]) -> None:
    """Chi-square of the joint cells of two salts' deciles; false alarm 1 in 10,000 each."""
    one, two = (np.floor(buckets(IDS, salt=salt) * 10).astype(int) for salt in salts)
    table = np.histogram2d(one, two, bins=10)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-4
    # Within one salt the buckets are uniform, too.
    assert stats.kstest(buckets(IDS, salt=salts[0]), "uniform").pvalue > 1e-4


@pytest.mark.parametrize(
    "weights, overrides, says",
    [
        ((), {}, "at least one arm"),
        ((("a", 0.5), ("b", 0.4)), {}, "add up to 1"),
        ((("a", 1.5), ("b", -0.5)), {}, "must be in"),
        ((("a", 0.5), ("a", 0.5)), {}, "the same name"),
        ((("a", 1.0),), {"x": "b"}, "not an arm"),
    ],
)
def test_wrong_weights_are_refused(
    weights: tuple[tuple[str, float], ...], overrides: dict[str, str], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        Assignment(salt="s", weights=weights, overrides=overrides)
