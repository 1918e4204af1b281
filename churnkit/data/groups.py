"""Rows that belong together, and how they are dealt out so that they stay together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnkit.data.codes import Ints, column_codes, row_groups
from churnkit.settings.sources import ColumnsTable

COMMON_SHARE = 0.01
COMMON_ROWS = 20
"""Inputs that more rows share than both of these are ordinary, not one customer twice."""
LARGEST_SHARE = 0.05


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose, unlike those that the same seed gives for another.

    Otherwise customers that were simulated with the split's seed would be drawn by the very
    numbers that decided whether they left.
    """
    return np.random.default_rng([seed, *purpose.encode()])


def input_names(names: Sequence[str], columns: ColumnsTable) -> tuple[str, ...]:
    """The columns a model may read: all but the target, the id, the time and the ignored."""
    others = {columns.target, columns.id, columns.time, *columns.ignore}
    return tuple(name for name in names if name not in others)


def customer_groups(table: pa.Table, columns: ColumnsTable) -> tuple[Ints, str]:
    """Which rows must not be divided between learning and testing, and why.

    Rows with the same id are one group. So are rows that are equal in all inputs, because a
    model that has seen one of them knows the other; but a combination of inputs that many rows
    share (over 20, and over 1 % of the rows) is what future customers will look like too, and
    its rows stay single.

    Returns
    -------
    groups : shape (n_rows,), the group's number in [0, n_groups)
    why : a few words, empty where each row is its own group
    """
    n = table.num_rows
    alone = np.arange(n, dtype=np.int64)
    by_row = row_groups(table, input_names(table.column_names, columns))
    size = np.bincount(by_row, minlength=1)
    common = size[by_row] > max(COMMON_ROWS, COMMON_SHARE * n)
    by_row = _numbered(np.where(common, n + alone, by_row))
    same_rows = _repeats(by_row)
    if not columns.id:
        return (by_row, "some rows are equal in all inputs") if same_rows else (alone, "")
    codes, _ = column_codes(table.column(columns.id))
    by_id = _numbered(np.where(codes < 0, n + alone, codes))
    same_ids = _repeats(by_id)
    if same_ids and same_rows:
        both = _joined(by_id, by_row)
        # Chains of look-alikes must not tie half of the table into one knot.
        if int(np.bincount(both).max()) <= max(COMMON_ROWS, LARGEST_SHARE * n):
            return both, f"'{columns.id}' repeats and some rows are equal in all inputs"
    if same_ids:
        return by_id, f"'{columns.id}' repeats"
    return (by_row, "some rows are equal in all inputs") if same_rows else (alone, "")


def deal(
    groups: Ints, y: npt.NDArray[np.bool_], shares: Sequence[float], rng: np.random.Generator
) -> Ints:
    """Deal the groups out at random, with about the same rate of churners in each part.

    Parameters
    ----------
    groups : shape (n_rows,), rows of equal group go to the same part
    y : shape (n_rows,), who left
    shares : how large each part is to be, relative to the others

    Returns
    -------
    parts : shape (n_rows,), in [0, len(shares))
    """
    inverse = _numbered(groups)
    size = np.bincount(inverse)
    left = np.bincount(inverse, weights=y)
    # Groups of stayers, of churners and mixed ones are dealt separately: that is what keeps
    # the rate alike. A group goes where its middle falls on the line of all rows.
    pattern = np.where(left == 0, 0, np.where(left == size, 1, 2))
    edges = np.cumsum(shares)[:-1] / np.sum(shares)
    part = np.zeros(len(size), dtype=np.int64)
    order = rng.permutation(len(size))
    for kind in range(3):
        members = order[pattern[order] == kind]
        if len(members):
            end = np.cumsum(size[members])
            middle = (end - size[members] / 2) / end[-1]
            part[members] = np.searchsorted(edges, middle, side="right")
    return part[inverse]


def _numbered(groups: Ints) -> Ints:
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _repeats(groups: Ints) -> bool:
    return bool(len(groups)) and int(groups.max()) + 1 < len(groups)


def _joined(a: Ints, b: Ints) -> Ints:
    """Groups that hold together what ``a`` or ``b`` holds together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_a, n_b = int(a.max()) + 1, int(b.max()) + 1
    links = coo_array((np.ones(len(a), dtype=np.int8), (a, n_a + b)), shape=(n_a + n_b,) * 2)
    _, component = connected_components(links, directed=False)
    return _numbered(component[a].astype(np.int64))
