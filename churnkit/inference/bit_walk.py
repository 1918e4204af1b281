"""Rows through a tree ensemble, all trees at once, as bits.

Each leaf is a bit, a tree's leaves from left to right. A test ``x <= threshold`` that fails rules
out the leaves to its left; of the leaves that are left, a row ends in the leftmost (QuickScorer,
Lucchese et al. 2015). The tests on one column fail in the order of their thresholds, so what a
value rules out in all trees together is one number, found by bisection: one AND per column.

Where the trees compare numbers rounded to float32, the thresholds are moved instead: rounding is
monotone, so ``float32(x) <= t`` is ``x <= t'`` for the largest t' that rounds to t or below.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnkit.inference.tree_shap import TreeArrays

Floats = NDArray[np.float64]

_WORDS = ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64))
"""Leaves that a word has room for."""
MOST_LEAVES = 64
_LOWEST = bytes(max(0, (byte & -byte).bit_length() - 1) for byte in range(256))
"""The lowest bit of each byte."""
_LOWEST_OF = np.frombuffer(_LOWEST, np.uint8)
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_MOST_BYTES = 8_000_000
"""Of the tables for many rows: larger ones do not stay in a processor's cache."""
_BLOCK = 256
"""Rows at once: what they rule out stays in the cache, too."""


class BitWalk:
    """Margins of rows, one or many; safe to share between threads.

    Parameters
    ----------
    trees : the ensemble, no tree with more than ``MOST_LEAVES`` leaves; a leaf's value is what
        it adds to the margin
    n_inputs : length of an encoded row
    intercept : the margin before any tree
    float32 : round inputs to float32 first
    fill : what stands for NaN, shape (n_inputs,), or None when the trees take NaN themselves
    """

    def __init__(
        self,
        trees: Sequence[TreeArrays],
        n_inputs: int,
        intercept: float,
        *,
        float32: bool,
        fill: Floats | None,
    ) -> None:
        most = max((int((tree.left < 0).sum()) for tree in trees), default=1)
        bits, kind = next(word for word in _WORDS if most <= word[0])
        self._intercept = intercept
        self._kind = np.dtype(kind)
        self._n_bytes = len(trees) * bits // 8
        self._all = (1 << (len(trees) * bits)) - 1
        values = np.zeros((len(trees), bits))
        ruled_out: list[list[tuple[float, bool, int]]] = [[] for _ in range(n_inputs)]
        for number, tree in enumerate(trees):
            for leaf, value in enumerate(_leaves(tree, number * bits, ruled_out)):
                values[number, leaf] = value
        self._values = values.ravel()
        self._starts = np.arange(len(trees)) * values.shape[1]
        self._columns = [
            self._column(tests, None if fill is None else float(fill[i]), float32)
            for i, tests in enumerate(ruled_out)
        ]
        # In whole words of 64 bits; the bits beyond the last tree are never looked at.
        self._width = -(-self._n_bytes // 8) * 8
        n_masks = sum(len(left) + 1 for _, left, _ in self._columns)
        self.takes_many = n_masks * self._width <= _MOST_BYTES
        self._tables = self._made_tables() if self.takes_many else []

    def _made_tables(self) -> list[tuple[int, Floats, NDArray[np.uint64]]]:
        """The same by column for many rows, without the columns that no tree reads."""
        tables = []
        for i, (thresholds, left, after_nan) in enumerate(self._columns):
            if thresholds:
                masks = b"".join(m.to_bytes(self._width, "little") for m in (*left, after_nan))
                words = np.frombuffer(masks, np.uint64).reshape(len(left) + 1, -1)
                tables.append((i, np.array(thresholds), words))
        return tables

    def _column(
        self, tests: list[tuple[float, bool, int]], fill: float | None, float32: bool
    ) -> tuple[list[float], list[int], int]:
        """Thresholds in order, what is left after each number of failed tests, and after NaN."""
        tests.sort(key=lambda test: test[0])
        left = [self._all]
        for _, _, out in tests:
            left.append(left[-1] & ~out)
        thresholds = [threshold for threshold, _, _ in tests]
        if fill is None:
            after_nan = self._all
            for _, nan_left, out in tests:
                if not nan_left:
                    after_nan &= ~out
        else:
            after_nan = left[bisect_left(thresholds, fill)]
        if float32:
            thresholds = [_before_rounding(threshold) for threshold in thresholds]
        return thresholds, left, after_nan

    def margin_one(self, x: Floats) -> float:
        """The margin of one encoded row of shape (n_inputs,)."""
        return self.margin_of(x.tolist())

    def margin_of(self, row: Sequence[float]) -> float:
        """The margin of one encoded row of n_inputs numbers."""
        possible = self._all
        for value, (thresholds, left, after_nan) in zip(row, self._columns, strict=True):
            possible &= left[bisect_left(thresholds, value)] if value == value else after_nan
        leaves = possible.to_bytes(self._n_bytes, "little")
        if self._kind.itemsize == 1:
            places: NDArray[Any] = np.frombuffer(leaves.translate(_LOWEST), np.uint8)
        else:
            places = _lowest(np.frombuffer(leaves, self._kind))
        return self._intercept + float(np.add.reduce(self._values.take(self._starts + places)))

    def margins(self, X: Floats) -> Floats:
        """The margins of encoded rows of shape (n, n_inputs), where ``takes_many``."""
        result = np.empty(len(X))
        for start in range(0, len(X), _BLOCK):
            block = X[start : start + _BLOCK]
            possible = np.full((len(block), self._width // 8), ~np.uint64(0))
            for i, thresholds, masks in self._tables:
                column = block[:, i]
                failed = thresholds.searchsorted(column)
                failed[np.isnan(column)] = len(masks) - 1
                possible &= masks.take(failed, axis=0)
            leaves = possible.view(np.uint8)[:, : self._n_bytes]
            if self._kind.itemsize == 1:
                places: NDArray[Any] = _LOWEST_OF.take(leaves)
            else:
                places = _lowest(np.ascontiguousarray(leaves).view(self._kind))
            values = self._values.take(self._starts + places)
            result[start : start + _BLOCK] = np.add.reduce(values, axis=1)
        return result + self._intercept


def _lowest(words: NDArray[Any]) -> NDArray[np.intp]:
    """The place of the lowest bit of each word."""
    lowest = words & (~words + words.dtype.type(1))
    # Exact: a power of two below 2^64 is a float64.
    places: NDArray[np.intp] = np.frexp(lowest.astype(np.float64))[1] - 1
    return places


def _before_rounding(threshold: float) -> float:
    """The largest number that, rounded to float32, is at most the threshold."""
    if not -_FLOAT32_MAX <= threshold < _FLOAT32_MAX:  # no row holds a number there
        return threshold
    below = np.float32(threshold)
    if float(below) > threshold:
        below = np.nextafter(below, np.float32(-np.inf))
    above = np.nextafter(below, np.float32(np.inf))
    # In the middle, ties go to the number whose last bit is 0 (IEEE 754).
    middle = (float(below) + float(above)) / 2
    even = int(below.view(np.uint32)) % 2 == 0
    return middle if even else math.nextafter(middle, -math.inf)


def _leaves(
    tree: TreeArrays, start: int, ruled_out: list[list[tuple[float, bool, int]]]
) -> list[float]:
    """The values of a tree's leaves from left to right; its tests are added to their columns."""
    left, right = tree.left.tolist(), tree.right.tolist()
    values: list[float] = []
    first: dict[int, int] = {}
    # Depth first, left before right; a node is seen again when its left part is done.
    stack = [(0, False)]
    while stack:
        node, left_is_done = stack.pop()
        if left[node] < 0:
            values.append(float(tree.value[node]))
        elif not left_is_done:
            first[node] = len(values)
            stack += [(right[node], False), (node, True), (left[node], False)]
        else:
            n = len(values) - first[node]
            out = ((1 << n) - 1) << (start + first[node])
            test = (float(tree.threshold[node]), bool(tree.default_left[node]), out)
            ruled_out[int(tree.feature[node])].append(test)
    return values
