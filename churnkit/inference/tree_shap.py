"""Exact Shapley values of a tree ensemble's margin, for the raw columns it reads.

A leaf with value v is reached through conditions on d different columns. If a column is known,
its condition holds (z = 1) or not (z = 0); if it is not known, the row follows the training
rows, of which a share r went that way (path-dependent TreeSHAP, Lundberg et al. 2020). The game
is then v·Π z (known)·Π r (unknown), and its Shapley value for column i is

    v·(z_i - r_i)·∫₀¹ Π_{j≠i} (t·z_j + (1 - t)·r_j) dt,

since ∫ t^s (1 - t)^(d-1-s) dt = s! (d-1-s)! / d!. The integrand is a polynomial of degree d - 1,
so ceil(d / 2) Gauss-Legendre points give it exactly (the idea of Yu et al. 2022, "Linear
TreeShap"). All leaves with the same d are computed at once.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnkit.errors import BundleUnreadable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_NAMES = ("feature", "low", "high", "takes_nan", "ratio", "value")


@dataclass(frozen=True)
class Leaves:
    """Leaves that are reached through conditions on the same number d of columns.

    All arrays have shape (d, n_leaves) but ``value``, which has (n_leaves,). A condition holds
    for ``low < x <= high``, and for NaN if ``takes_nan``.
    """

    feature: Ints
    low: Floats
    high: Floats
    takes_nan: Bools
    ratio: Floats
    value: Floats


class _Ready:
    """Leaves with what the integral needs, computed once."""

    def __init__(self, leaves: Leaves) -> None:
        self.leaves = leaves
        d = len(leaves.feature)
        points, weights = np.polynomial.legendre.leggauss((d + 1) // 2)
        t = (points + 1) / 2
        self.t = t[:, None]
        # Shape (n_points, n_leaves): the weight of a leaf at a point.
        self.weighted = (weights / 2)[:, None] * leaves.value
        self.unknown = [(1 - self.t) * ratio for ratio in leaves.ratio]
        self.known = [part + self.t for part in self.unknown]
        self.flat_feature = leaves.feature.ravel()

    def add(self, x: Floats, phi: Floats) -> None:
        leaves = self.leaves
        values = x[leaves.feature]
        holds = (leaves.low < values) & (values <= leaves.high)
        missing = np.isnan(values)
        if missing.any():
            holds |= missing & leaves.takes_nan
        factors = [np.where(holds[j], self.known[j], self.unknown[j]) for j in range(len(holds))]
        product = self.weighted.copy()
        for factor in factors:
            product *= factor
        each = np.empty(leaves.feature.shape)
        for j, factor in enumerate(factors):
            # No factor is 0: 0 < t < 1, and every share r is above 0.
            each[j] = (product / factor).sum(axis=0)
        each *= holds - leaves.ratio
        phi += np.bincount(self.flat_feature, weights=each.ravel(), minlength=len(phi))


class TreeShapley:
    """Shapley values for one ensemble; safe to share between threads.

    Parameters
    ----------
    groups : its leaves by number of columns
    n_inputs : length of an encoded row
    base_margin : the margin of a row of which nothing is known
    """

    def __init__(self, groups: list[Leaves], n_inputs: int, base_margin: float) -> None:
        self.groups = groups
        self.n_inputs = n_inputs
        self.base_margin = base_margin
        self._ready = [_Ready(group) for group in groups]

    def contributions(self, x: Floats) -> Floats:
        """Shapley values of the margin, shape (n_inputs,), for a row as the trees compare it."""
        phi = np.zeros(self.n_inputs)
        for group in self._ready:
            group.add(x, phi)
        return phi

    def to_bytes(self) -> bytes:
        """As a numpy archive without objects."""
        arrays: dict[str, Any] = {"base_margin": np.asarray(self.base_margin)}
        for number, group in enumerate(self.groups):
            for name in _NAMES:
                arrays[f"{name}_{number}"] = getattr(group, name)
        stream = io.BytesIO()
        np.savez_compressed(stream, **arrays)
        return stream.getvalue()


def shapley_from_bytes(content: bytes, n_inputs: int) -> TreeShapley:
    """Read what ``to_bytes`` wrote.

    Raises
    ------
    BundleUnreadable : it is no such archive, or does not fit to the schema
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            base = float(archive["base_margin"])
            n_groups = sum(name.startswith("value_") for name in archive.files)
            groups = [
                Leaves(*(archive[f"{name}_{number}"] for name in _NAMES))
                for number in range(n_groups)
            ]
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged() from error
    for group in groups:
        shapes = {getattr(group, name).shape for name in _NAMES[:-1]}
        if len(shapes) != 1 or group.feature.shape[1:] != group.value.shape:
            raise _damaged()
        if group.feature.size and not 0 <= group.feature.min() <= group.feature.max() < n_inputs:
            raise _damaged()
    return TreeShapley(groups, n_inputs, base)


def _damaged() -> BundleUnreadable:
    return BundleUnreadable(
        "the model's reasons cannot be read.",
        fix="Restore the bundle from a backup, or train again.",
        file="reasons.npz",
    )


# --- from scikit-learn's trees ---------------------------------------------------------------


@dataclass(frozen=True)
class Nodes:
    """One tree: shape (n_nodes,) each; ``left`` is -1 at a leaf."""

    left: Ints
    right: Ints
    feature: Ints
    threshold: Floats
    nan_left: Bools
    cover: Floats
    value: Floats


def build_shapley(trees: Iterator[Nodes], n_inputs: int, offset: float) -> TreeShapley:
    """Collect the leaves of all trees.

    Parameters
    ----------
    offset : the margin before any tree
    """
    found: dict[int, list[tuple[list[_Condition], float]]] = {}
    base = offset
    for tree in trees:
        for conditions, value in _paths(tree):
            share = float(np.prod([c.ratio for c in conditions])) if conditions else 1.0
            base += value * share
            if conditions and value != 0.0:
                found.setdefault(len(conditions), []).append((conditions, value))
    groups = []
    for _, leaves in sorted(found.items()):
        columns = [[getattr(c, name) for c in conditions] for name in _NAMES[:-1]
                   for conditions, _ in leaves]  # fmt: skip
        n = len(leaves)
        parts = [np.asarray(columns[k * n : (k + 1) * n]).T.copy() for k in range(5)]
        groups.append(
            Leaves(
                parts[0].astype(np.int64),
                parts[1].astype(np.float64),
                parts[2].astype(np.float64),
                parts[3].astype(np.bool_),
                parts[4].astype(np.float64),
                np.asarray([value for _, value in leaves]),
            )
        )
    return TreeShapley(groups, n_inputs, base)


@dataclass(slots=True)
class _Condition:
    """What a path asks of one column."""

    feature: int
    low: float = -np.inf
    high: float = np.inf
    takes_nan: bool = True
    ratio: float = 1.0


def _paths(tree: Nodes) -> Iterator[tuple[list[_Condition], float]]:
    """Each leaf's conditions, one per column, and its value."""
    stack: list[tuple[int, dict[int, _Condition]]] = [(0, {})]
    while stack:
        node, path = stack.pop()
        if tree.left[node] < 0:
            yield list(path.values()), float(tree.value[node])
            continue
        feature, threshold = int(tree.feature[node]), float(tree.threshold[node])
        before = path.get(feature, _Condition(feature))
        for child, goes_left in ((int(tree.left[node]), True), (int(tree.right[node]), False)):
            share = float(tree.cover[child] / tree.cover[node])
            if share <= 0:  # no training row went there, and none of its value counts
                share = 1e-12
            condition = _Condition(
                feature,
                before.low if goes_left else max(before.low, threshold),
                min(before.high, threshold) if goes_left else before.high,
                before.takes_nan and bool(tree.nan_left[node]) is goes_left,
                before.ratio * share,
            )
            stack.append((child, {**path, feature: condition}))


def sklearn_trees(classifier: Any) -> tuple[Iterator[Nodes], float]:
    """The trees of a fitted forest or boosting, their values as parts of the margin; the offset.

    The margin of a forest is its probability, a mean over trees; that of boosting a sum of
    log-odds.
    """
    if hasattr(classifier, "_predictors"):
        offset = float(np.ravel(classifier._baseline_prediction)[0])
        return (_hist_nodes(stage[0].nodes) for stage in classifier._predictors), offset
    if hasattr(classifier, "init_"):
        prior = np.clip(classifier.init_.class_prior_[1], 1e-15, 1 - 1e-15)
        offset = float(np.log(prior / (1 - prior)))
        rate = float(classifier.learning_rate)
        trees = (stage[0].tree_ for stage in classifier.estimators_)
        return (_nodes(tree, rate * tree.value[:, 0, 0]) for tree in trees), offset
    n = len(classifier.estimators_)
    trees = (member.tree_ for member in classifier.estimators_)
    return (
        _nodes(tree, tree.value[:, 0, 1] / tree.value[:, 0, :].sum(axis=1) / n) for tree in trees
    ), 0.0


def _nodes(tree: Any, value: Floats) -> Nodes:
    return Nodes(
        tree.children_left,
        tree.children_right,
        tree.feature,
        tree.threshold,
        np.asarray(tree.missing_go_to_left, dtype=np.bool_),
        tree.weighted_n_node_samples,
        value,
    )


def _hist_nodes(nodes: Any) -> Nodes:
    leaf = nodes["is_leaf"].astype(np.bool_)
    return Nodes(
        np.where(leaf, -1, nodes["left"].astype(np.int64)),
        nodes["right"].astype(np.int64),
        nodes["feature_idx"].astype(np.int64),
        nodes["num_threshold"].astype(np.float64),
        nodes["missing_go_to_left"].astype(np.bool_),
        nodes["count"].astype(np.float64),
        nodes["value"].astype(np.float64),
    )
