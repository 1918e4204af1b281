"""Which customers a model learns from, and on which it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnkit.data.codes import column_codes, row_groups
from churnkit.data.target import labels, require_column
from churnkit.errors import TooFewRows
from churnkit.settings import ColumnsTable

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MIN_OF_A_CLASS = 10
"""Fewer churners (or stayers) than this in a part give no figure worth an interval."""


@dataclass(frozen=True)
class Split:
    """Rows divided into two parts.

    Attributes
    ----------
    train, test : row numbers, sorted
    groups : shape (n_rows,); rows of one group are never in both parts
    order : shape (n_rows,), the rank of a row's time; None without a time column
    kind : how it was done
    why : the same in words
    """

    train: Ints
    test: Ints
    groups: Ints
    order: Ints | None
    kind: Literal["random", "grouped", "time"]
    why: str


def split_rows(table: pa.Table, columns: ColumnsTable, *, test_share: float, seed: int) -> Split:
    """Keep some customers for the test.

    With a time column the latest rows are the test, so that the model is judged on a future it
    has not seen; rows of the cut-off moment all go to the test, and earlier rows of customers
    who are in the test are in neither part. Without one, rows of the same customer, and rows
    that are equal in all inputs, stay together; the rest is stratified by the label.

    Parameters
    ----------
    test_share : in (0, 1)
    seed : of the random division

    Raises
    ------
    TooFewRows : either part has fewer than 10 customers of a class
    """
    left = labels(table, columns.target, columns.positive)
    groups, why_grouped = _groups(table, columns)
    if columns.time:
        split = _by_time(table, columns, groups, test_share)
    else:
        repeated = len(np.unique(groups)) < len(groups)
        rng = np.random.default_rng(seed)
        chosen = _grouped_sample(groups, left, test_share, rng)
        split = Split(
            train=np.flatnonzero(~chosen),
            test=np.flatnonzero(chosen),
            groups=groups,
            order=None,
            kind="grouped" if repeated else "random",
            why=f"grouped: {why_grouped}" if repeated else "random, the same rate in both parts",
        )
    for name, rows in (("training", split.train), ("test", split.test)):
        n_left = int(left[rows].sum())
        if min(n_left, len(rows) - n_left) < MIN_OF_A_CLASS:
            raise TooFewRows(
                f"the {name} part has {n_left:,} customers who left and {len(rows) - n_left:,} "
                f"who stayed; {MIN_OF_A_CLASS} of each are needed.",
                fix="Add customers, or change training.test_share in churnkit.toml.",
                rows=len(left),
            )
    return split


def fold_indices(
    split: Split, y_train: Bools, *, n_folds: int, seed: int
) -> list[tuple[Ints, Ints]]:
    """Divide the training part for cross-validation.

    Returns positions within ``split.train``: (fitted on, checked on) for each fold. Groups stay
    together; with a time column a fold is checked on rows later than those it is fitted on.

    Parameters
    ----------
    y_train : shape (n_train,)
    """
    groups = split.groups[split.train]
    if split.order is not None:
        return _forward_folds(split.order[split.train], groups, n_folds)
    rng = np.random.default_rng(seed)
    fold = _deal(groups, y_train, n_folds, rng)
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(n_folds)]


def _groups(table: pa.Table, columns: ColumnsTable) -> tuple[Ints, str]:
    """Rows of one customer, and rows equal in all inputs, joined; singletons otherwise."""
    aside = {columns.target, columns.id, columns.time, *columns.ignore}
    inputs = [name for name in table.column_names if name not in aside]
    same_row = row_groups(table, inputs) if inputs else np.arange(table.num_rows)
    reasons = []
    if len(np.unique(same_row)) < table.num_rows:
        reasons.append("identical rows")
    if not columns.id:
        return same_row, " and ".join(reasons)
    require_column(table, columns.id, "id")
    codes, _ = column_codes(table.column(columns.id))
    nameless = codes < 0
    codes = np.where(nameless, codes.max() + 1 + np.arange(len(codes)), codes)
    if len(np.unique(codes)) < table.num_rows:
        reasons.append("customers with several rows")
    return _joined(same_row, codes), " and ".join(reasons)


def _joined(a: Ints, b: Ints) -> Ints:
    """The finest groups in which rows that share ``a`` or ``b`` are together."""
    current = np.unique(a, return_inverse=True)[1].astype(np.int64)
    other = np.unique(b, return_inverse=True)[1].astype(np.int64)
    while True:
        # Each customer's rows take their smallest group; then each group its smallest.
        lowest = np.full(int(other.max()) + 1, np.iinfo(np.int64).max)
        np.minimum.at(lowest, other, current)
        pulled = lowest[other]
        target = np.arange(int(current.max()) + 1)
        np.minimum.at(target, current, pulled)
        joined = target[current]
        if np.array_equal(joined, current):
            return np.unique(joined, return_inverse=True)[1].astype(np.int64)
        current = joined


def _grouped_sample(groups: Ints, left: Bools, share: float, rng: np.random.Generator) -> Bools:
    """Whole groups for the test, with nearly the share and the rate that were asked for."""
    n_groups = int(groups.max()) + 1
    size = np.bincount(groups, minlength=n_groups)
    churned = np.bincount(groups, weights=left, minlength=n_groups)
    chosen = np.zeros(n_groups, dtype=np.bool_)
    # Groups with churners and groups without are drawn apart: that keeps the rate.
    for stratum in (churned > 0, churned == 0):
        members = rng.permutation(np.flatnonzero(stratum))
        filled = np.cumsum(size[members])
        if len(members):
            chosen[members[filled <= round(share * filled[-1])]] = True
    return np.asarray(chosen[groups])


def _by_time(table: pa.Table, columns: ColumnsTable, groups: Ints, test_share: float) -> Split:
    require_column(table, columns.time, "time")
    moments = table.column(columns.time).cast(pa.int64())
    if moments.null_count:
        raise TooFewRows(
            f"{moments.null_count:,} rows have no value in the time column.",
            fix="Fill them in, or leave the rows out.",
            column=columns.time,
        )
    order = np.unique(moments.to_numpy(), return_inverse=True)[1].astype(np.int64)
    cutoff = int(np.quantile(order, 1 - test_share, method="lower"))
    late = order >= max(cutoff, 1)
    # Only a repeated customer, not a chance twin, would carry the answer across the cut-off.
    customers = groups
    if columns.id:
        codes, _ = column_codes(table.column(columns.id))
        customers = codes
        seen_later = np.isin(customers, customers[late]) & (codes >= 0)
    else:
        seen_later = np.zeros(len(order), dtype=np.bool_)
    early = ~late & ~seen_later
    moment = table.column(columns.time)[int(np.argmax(order == max(cutoff, 1)))].as_py()
    dropped = int((~late & seen_later).sum())
    return Split(
        train=np.flatnonzero(early),
        test=np.flatnonzero(late),
        groups=groups,
        order=order,
        kind="time",
        why=f"by time: judged on rows from {moment:%Y-%m-%d} on"
        + (f"; {dropped:,} earlier rows of the same customers are left out" if dropped else ""),
    )


def _deal(groups: Ints, left: Bools, n_folds: int, rng: np.random.Generator) -> Ints:
    """Deal whole groups to folds, the largest first, each to where it is missed most."""
    names, inverse = np.unique(groups, return_inverse=True)
    size = np.bincount(inverse)
    churned = np.bincount(inverse, weights=left)
    fold_of = np.empty(len(names), dtype=np.int64)
    single = size == 1
    room = np.zeros((n_folds, 2))
    for group in sorted(np.flatnonzero(~single), key=lambda g: -size[g]):
        here = np.array([size[group] - churned[group], churned[group]])
        fold = int(np.argmin(((room + here) ** 2).sum(axis=1)))
        fold_of[group] = fold
        room[fold] += here
    start = 0
    for label in (0, 1):
        members = rng.permutation(np.flatnonzero(single & (churned == label)))
        fold_of[members] = (np.arange(len(members)) + start) % n_folds
        start += len(members)
    return np.asarray(fold_of[inverse])


def _forward_folds(order: Ints, groups: Ints, n_folds: int) -> list[tuple[Ints, Ints]]:
    cuts = np.quantile(order, np.linspace(0, 1, n_folds + 2)[1:-1], method="lower")
    folds = []
    for i, cut in enumerate(cuts):
        until = cuts[i + 1] if i + 1 < len(cuts) else order.max()
        check = np.flatnonzero((order > cut) & (order <= until))
        fit = np.flatnonzero((order <= cut) & ~np.isin(groups, groups[check]))
        if len(check) and len(fit):
            folds.append((fit, check))
    return folds
