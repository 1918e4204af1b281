"""Exact Shapley values of a tree ensemble's margin, path-dependent, in polynomial time.

A leaf with value c and k different features on its path adds to the value function
``v(S) = c · Π_{j∈S} o_j · Π_{j∉S} r_j``: o_j is 1 when x_j satisfies all of the path's tests on
feature j, r_j the share of training weight that follows them (the convention of Lundberg et
al. 2018). Its Shapley value for feature j is
``c (o_j − r_j) ∫₀¹ Π_{i≠j} (t·o_i + (1 − t)·r_i) dt`` (Owen's multilinear form; compare Yu et
al. 2022). The integrand is a polynomial of degree k − 1, so Gauss–Legendre quadrature with
⌈k/2⌉ nodes is exact. All leaves with equal k are evaluated in one numpy expression.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import treelite
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class TreeArrays(NamedTuple):
    """One tree; entry i of each array is node i, the root first. ``left`` is -1 at a leaf."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    default_left: NDArray[np.bool_]
    cover: Floats
    """Weight of the training rows that reach the node."""
    value: Floats
    """What a leaf adds to the margin."""


class _Test(NamedTuple):
    """All of a path's tests on one feature: low < x <= high, or missing where that passes."""

    low: float
    high: float
    missing: bool
    ratio: float


class _Group(NamedTuple):
    """The leaves whose paths hold k different features."""

    start: int
    stop: int
    k: int
    unsatisfied: Floats  # (1 - t) r, shape (k, q, leaves)
    satisfied_share: Floats  # (1 - r) / ((1 - t) r + t), same shape
    weighted_value: Floats  # quadrature weight × leaf value, shape (q, leaves)
    t: Floats  # shape (q, 1)


class TreeShapley:
    """Shapley values over an ensemble.

    Parameters
    ----------
    trees : the ensemble; a leaf's values are those of the summed margin
    n_inputs : length of an encoded row
    intercept : what the margin holds besides the trees
    """

    def __init__(self, trees: list[TreeArrays], n_inputs: int, intercept: float) -> None:
        self.n_inputs = n_inputs
        leaves: defaultdict[int, list[tuple[float, dict[int, _Test]]]] = defaultdict(list)
        base = [intercept]
        for tree in trees:
            for value, tests in _leaves(tree):
                base.append(value * math.prod(test.ratio for test in tests.values()))
                leaves[len(tests)].append((value, tests))
        self.base_margin = math.fsum(base)
        feature: list[NDArray[np.intp]] = []
        low: list[Floats] = []
        high: list[Floats] = []
        missing: list[NDArray[np.bool_]] = []
        self._groups: list[_Group] = []
        start = 0
        for k in sorted(leaves):
            if k == 0:
                continue
            group = leaves[k]
            rows = [list(path.values()) for _, path in group]
            feature.append(np.array([list(path) for _, path in group], dtype=np.intp).T.ravel())
            low.append(np.array([[test.low for test in row] for row in rows]).T.ravel())
            high.append(np.array([[test.high for test in row] for row in rows]).T.ravel())
            missing.append(np.array([[test.missing for test in row] for row in rows]).T.ravel())
            ratio = np.array([[test.ratio for test in row] for row in rows]).T
            stop = start + k * len(group)
            values = np.array([leaf for leaf, _ in group])
            self._groups.append(_group(k, start, stop, ratio, values))
            start = stop
        self._feature = np.concatenate(feature) if feature else np.zeros(0, dtype=np.intp)
        self._low = np.concatenate(low) if low else np.zeros(0)
        self._high = np.concatenate(high) if high else np.zeros(0)
        self._missing = np.concatenate(missing) if missing else np.zeros(0, dtype=np.bool_)

    def contributions(self, x: Floats) -> Floats:
        """Shapley values for one row as the trees compare it, shape (n_inputs,)."""
        if not len(self._feature):
            return np.zeros(self.n_inputs)
        seen = x.take(self._feature)
        passes = (seen > self._low) & (seen <= self._high)
        if np.isnan(x).any():
            passes |= np.isnan(seen) & self._missing
        o = passes.astype(np.float64)
        parts = np.empty(len(o))
        for group in self._groups:
            o_group = o[group.start : group.stop].reshape(group.k, -1)
            product = group.weighted_value.copy()
            for j in range(group.k):
                factor = group.t * o_group[j]
                factor += group.unsatisfied[j]
                product *= factor
            # (o − r) / (t·o + (1 − t)·r) is −1 / (1 − t) where the path's test fails.
            fails = (product / (1.0 - group.t)).sum(axis=0)
            part = np.einsum("ql,kql->kl", product, group.satisfied_share)
            part += fails
            part *= o_group
            part -= fails
            parts[group.start : group.stop] = part.ravel()
        phi = np.bincount(self._feature, weights=parts, minlength=self.n_inputs)
        return phi.astype(np.float64, copy=False)


def trees_of(model: treelite.Model) -> tuple[list[TreeArrays], float]:
    """A two-class treelite model as arrays, and its base score.

    Covers are sums of sample weights where the model has them, else counts of rows. A forest's
    leaf values are divided by the number of trees.
    """
    trees: list[TreeArrays] = []
    header = model.get_header_accessor()
    base = float(np.asarray(header.get_field("base_scores"))[-1])
    share = 1.0 / model.num_tree if bool(header.get_field("average_tree_output")[0]) else 1.0
    for i in range(model.num_tree):
        field = model.get_tree_accessor(i).get_field
        weight: Floats = np.array(field("sum_hess"), dtype=np.float64)
        count = np.array(field("data_count"), dtype=np.float64)
        vector = np.array(field("leaf_vector"), dtype=np.float64)
        if len(vector):
            # A leaf holds one share per class; the last one is the class that means "left".
            end = np.array(field("leaf_vector_end"), dtype=np.int64)
            inner = end == np.array(field("leaf_vector_begin"), dtype=np.int64)
            value = np.where(inner, 0.0, vector[np.maximum(end - 1, 0)])
        else:
            value = np.array(field("leaf_value"), dtype=np.float64)
        trees.append(
            TreeArrays(
                left=np.array(field("cleft"), dtype=np.int64),
                right=np.array(field("cright"), dtype=np.int64),
                feature=np.array(field("split_index"), dtype=np.int64),
                threshold=np.array(field("threshold"), dtype=np.float64),
                default_left=np.array(field("default_left"), dtype=np.bool_),
                cover=weight if len(weight) else count,
                value=value * share,
            )
        )
    return trees, base


def _group(k: int, start: int, stop: int, ratio: Floats, value: Floats) -> _Group:
    nodes, weights = np.polynomial.legendre.leggauss((k + 1) // 2)
    t = ((nodes + 1.0) / 2.0)[:, None]  # from [-1, 1] to [0, 1]
    unsatisfied = (1.0 - t) * ratio[:, None, :]
    return _Group(
        start=start,
        stop=stop,
        k=k,
        unsatisfied=unsatisfied,
        satisfied_share=(1.0 - ratio[:, None, :]) / (unsatisfied + t),
        weighted_value=(weights / 2.0)[:, None] * value,
        t=t,
    )


def _leaves(tree: TreeArrays) -> list[tuple[float, dict[int, _Test]]]:
    """Each leaf's value and, by feature, the tests on the way to it."""
    left, right, feature = tree.left.tolist(), tree.right.tolist(), tree.feature.tolist()
    threshold, default = tree.threshold.tolist(), tree.default_left.tolist()
    cover, value = tree.cover.tolist(), tree.value.tolist()
    found: list[tuple[float, dict[int, _Test]]] = []
    stack: list[tuple[int, dict[int, _Test]]] = [(0, {})]
    anything = _Test(-math.inf, math.inf, True, 1.0)
    while stack:
        node, path = stack.pop()
        if left[node] < 0:
            found.append((value[node], path))
            continue
        name, cut = feature[node], threshold[node]
        old = path.get(name, anything)
        total = cover[node]
        for child, low, high, takes_missing in (
            (left[node], old.low, min(old.high, cut), default[node]),
            (right[node], max(old.low, cut), old.high, not default[node]),
        ):
            share = cover[child] / total if total > 0 else 0.5
            test = _Test(low, high, old.missing and takes_missing, old.ratio * share)
            stack.append((child, {**path, name: test}))
    return found
