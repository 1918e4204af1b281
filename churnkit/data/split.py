"""Which customers a model learns from, and on which it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.codes import column_codes
from churnkit.data.groups import customer_groups, deal, stream
from churnkit.data.target import labels, require_column, value_text
from churnkit.errors import BadValue, TooFewRows
from churnkit.settings.sources import ColumnsTable

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
    kind: Literal["random", "grouped", "time", "panel"]
    why: str


def split_rows(
    table: pa.Table,
    columns: ColumnsTable,
    *,
    test_share: float,
    seed: int,
    test_from: datetime | None = None,
    zone: str = "UTC",
) -> Split:
    """Keep some customers for the test.

    With a time column the latest rows are the test, so that the model is judged on a future it
    has not seen; rows of one moment stay together. A customer with rows on both sides of the
    cut-off is drawn to one of them (to the test with probability ``test_share``) and his rows
    on the other are in neither part: so the test is later and on other customers, and a panel,
    in which everybody is on both sides, can be divided too. What churnkit cannot know: a label
    that looks months ahead is learnt from before it could be known, if its row lies less than
    that before the cut-off.

    Without a time column (or with one moment only), rows that belong together stay together,
    see ``groups.customer_groups``; the rest is stratified by the label.

    A panel was built so that all labels before ``test_from`` were decided by then: it is divided
    there and nowhere else, and the test asks what serving will ask, of the customers who are there
    later, known ones and new ones. In its folds a customer is never on both sides.

    Parameters
    ----------
    test_share : in (0, 1)
    seed : of the random division
    test_from : the first test date of a panel; None: the table is no panel
    zone : in which the dates of a panel are shown

    Raises
    ------
    ColumnMissing : the target, the id or the time column is not there
    BadValue : a row has no time
    TooFewRows : either part has fewer than 10 customers of a class
    """
    left = labels(table, columns.target, columns.positive)
    if columns.id:
        require_column(table, columns.id, "id")
    if test_from is not None:
        return _checked(_panel(table, columns, test_from, zone), left)
    groups, why_grouped = customer_groups(table, columns)
    rng = stream(seed, "split")
    order = _moments(table, columns.time) if columns.time else None
    if order is not None and len(order) and order.max() > 0:
        split = _by_time(table, columns, groups, order, left, test_share, rng)
    else:
        repeated = bool(why_grouped)
        chosen = deal(groups, left, (test_share, 1 - test_share), rng) == 0
        split = Split(
            train=np.flatnonzero(~chosen),
            test=np.flatnonzero(chosen),
            groups=groups,
            order=order,
            kind="grouped" if repeated else "random",
            why=f"grouped: {why_grouped}" if repeated else "random, the same rate in both parts",
        )
    return _checked(split, left)


def _checked(split: Split, left: Bools) -> Split:
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
    Then there may be fewer folds than asked for, since moments are not divided and each side
    needs both classes; where no such fold is possible, the folds disregard time. In a panel a fold
    is checked on other customers at the last third of the dates.

    Parameters
    ----------
    y_train : shape (n_train,)

    Raises
    ------
    TooFewRows : a fold would lack churners or stayers
    """
    groups = split.groups[split.train]
    rng = stream(seed, "folds")
    if split.kind == "panel" and split.order is not None:
        folds = _later_folds(split.order[split.train], groups, y_train, n_folds, rng)
        if folds:
            return folds
    if split.kind == "time" and split.order is not None:
        folds = _forward_folds(split.order[split.train], groups, y_train, n_folds, rng)
        if folds:
            return folds
    fold = deal(groups, y_train, (1.0,) * n_folds, rng)
    folds = [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(n_folds)]
    if not all(_both(y_train[fit]) and _both(y_train[check]) for fit, check in folds):
        raise TooFewRows(
            f"{int(y_train.sum()):,} churners among {len(y_train):,} customers are not enough "
            f"for {n_folds} folds that hold both classes.",
            fix="Add customers of the rarer class.",
            rows=len(y_train),
        )
    return folds


def _moments(table: pa.Table, name: str) -> Ints:
    """Each row's rank among the distinct moments."""
    require_column(table, name, "time")
    codes, values = column_codes(table.column(name))
    n_blank = int((codes < 0).sum())
    if n_blank:
        raise BadValue(
            f"{n_blank:,} of {len(codes):,} rows have no value in the time column.",
            fix="Fill them in, leave the rows out, or set columns.time to '' in churnkit.toml.",
            column=name,
            row=int(np.argmax(codes < 0)) + 1,
        )
    rank = np.empty(len(values), dtype=np.int64)
    rank[pc.sort_indices(values).to_numpy()] = np.arange(len(values))
    return rank[codes]


def _panel(table: pa.Table, columns: ColumnsTable, test_from: datetime, zone: str) -> Split:
    require_column(table, columns.time, "time")
    dates = table.column(columns.time)
    late = pc.greater_equal(dates, pa.scalar(test_from, dates.type)).to_numpy()
    groups = column_codes(table.column(columns.id))[0]
    known = np.isin(groups[late], groups[~late])
    share = float(known.mean()) if len(known) else 0.0
    return Split(
        train=np.flatnonzero(~late),
        test=np.flatnonzero(late),
        groups=groups.astype(np.int64),
        order=_moments(table, columns.time),
        kind="panel",
        why=f"by date: learnt from {_shown(dates, ~late, zone)}, "
        f"judged at {_shown(dates, late, zone)}; "
        f"{share:.0%} of the rows to judge are of customers seen at an earlier date",
    )


def _shown(dates: pa.ChunkedArray, rows: Bools, zone: str) -> str:
    some = pc.unique(dates.filter(pa.array(rows)))
    if not len(some):
        return "no date"
    ends = pc.min_max(some).as_py().values()
    low, high = (f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d}" for moment in ends)
    return low if len(some) == 1 else f"{len(some)} dates, {low} … {high}"


def _by_time(
    table: pa.Table,
    columns: ColumnsTable,
    groups: Ints,
    order: Ints,
    left: Bools,
    test_share: float,
    rng: np.random.Generator,
) -> Split:
    share_from = np.cumsum(np.bincount(order)[::-1])[::-1] / len(order)
    cuts = np.arange(1, len(share_from))
    # The nearest cut-off that leaves enough of both classes; if none does, the nearest one.
    cuts = cuts[np.argsort(np.abs(share_from[cuts] - test_share), kind="stable")][:50]
    drawn = rng.random(int(groups.max()) + 1) < test_share
    sides = [_apart(order < cut, order >= cut, groups, drawn) for cut in cuts]
    enough = [i for i, parts in enumerate(sides) if all(_enough(left[part]) for part in parts)]
    at = enough[0] if enough else 0
    early, late = sides[at]
    moment = pc.min(table.column(columns.time).filter(pa.array(order >= cuts[at]))).as_py()
    shown = f"{moment:%Y-%m-%d}" if hasattr(moment, "strftime") else value_text(moment)
    dropped = int((~early & ~late).sum())
    return Split(
        train=np.flatnonzero(early),
        test=np.flatnonzero(late),
        groups=groups,
        order=order,
        kind="time",
        why=f"by time: judged on rows from {shown} on"
        + (f"; {dropped:,} rows of customers in the other part are left out" if dropped else ""),
    )


def _forward_folds(
    order: Ints, groups: Ints, left: Bools, n_folds: int, rng: np.random.Generator
) -> list[tuple[Ints, Ints]]:
    """Fold k is fitted on the blocks before block k + 1 and checked on that block."""
    rank = np.unique(order, return_inverse=True)[1]
    count = np.bincount(rank)
    middle = (np.cumsum(count) - count / 2) / len(order)
    blocks = np.floor(middle * (n_folds + 1)).astype(np.int64)[rank]
    folds = []
    for block in np.unique(blocks)[1:]:
        drawn = rng.random(int(groups.max()) + 1) < 1 / n_folds
        fit, check = _apart(blocks < block, blocks == block, groups, drawn)
        if _both(left[fit]) and _both(left[check]):
            folds.append((np.flatnonzero(fit), np.flatnonzero(check)))
    return folds


def _later_folds(
    order: Ints, groups: Ints, left: Bools, n_folds: int, rng: np.random.Generator
) -> list[tuple[Ints, Ints]]:
    """Each fold is checked on some customers at the last dates, and fitted on the others before.

    What is chosen so is good at the next date, which is what serving asks of it; folds within the
    same dates would prefer models that know these dates well.
    """
    dates = np.unique(order)
    if len(dates) < 2:
        return []
    first_late = dates[-max(1, len(dates) // 3)]
    fold = deal(groups, left, (1.0,) * n_folds, rng)
    late = order >= first_late
    folds = [(np.flatnonzero(~late & (fold != k)), np.flatnonzero(late & (fold == k)))
             for k in range(n_folds)]  # fmt: skip
    return folds if all(_both(left[fit]) and _both(left[check]) for fit, check in folds) else []


def _apart(early: Bools, late: Bools, groups: Ints, drawn: Bools) -> tuple[Bools, Bools]:
    """Both sides without groups of the other; of groups on both, the ``drawn`` ones are late."""
    n_groups = len(drawn)
    astride = (np.bincount(groups[early], minlength=n_groups) > 0) & (
        np.bincount(groups[late], minlength=n_groups) > 0
    )
    return early & ~(astride & drawn)[groups], late & ~(astride & ~drawn)[groups]


def _both(left: Bools) -> bool:
    return bool(left.any()) and not bool(left.all())


def _enough(left: Bools) -> bool:
    return min(int(left.sum()), int((~left).sum())) >= MIN_OF_A_CLASS
