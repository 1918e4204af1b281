"""Columns that know the answer, each with the figure that convicts it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.codes import column_codes
from churnkit.data.groups import customer_groups, deal, stream
from churnkit.data.target import labels
from churnkit.domain.columns import TableColumn, TableSchema
from churnkit.domain.profiles import LeakFinding
from churnkit.settings.sources import ColumnsTable

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

PREDICTS = 0.93
"""A column is convicted when the lower bound of its own AUC exceeds this.

The strongest honest column of the reference sets reaches 0.739 (Telco: Contract), 0.872
(BankChurners: Total_Trans_Amt) and 0.798 (Iranian: Frequency of use), measured with
``single_column_auc``; a column made from the label reaches 0.98 and more.
"""
COPIES = 0.99
"""Share of rows in which a two-valued column agrees with the label, or with its opposite."""
FILLED = 0.98
"""Share of a column's filled rows that belong to one class."""
SUSPECT = 0.9
"""A convicting figure below the limits is reported as a warning from here on."""
_FOLDS = 5
_BINS = 50
_ROWS_PER_BIN = 10
_MIN_FILLED = 20
_STAYERS_COVERED = 0.9
_STRAY = 0.1
_Z = 2.58
"""99 %: a small table does not convict by chance."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the labels."""

    left: Bools
    folds: npt.NDArray[np.int64]

    @property
    def rate(self) -> float:
        return float(self.left.mean())


def find_leaks(
    table: pa.Table, schema: TableSchema, columns: ColumnsTable, *, seed: int = 0
) -> tuple[LeakFinding, ...]:
    """Look at each column alone.

    A column is judged by the label's mean within its values (a number's within 50 quantile
    bins), learnt on four fifths of the rows and applied to the fifth: a column with many
    values gains nothing from learning them by heart, and rows of one customer are in the same
    fifth, so that what merely names him gains nothing either. It is convicted when the 99 %
    lower bound of that AUC (Newcombe 2006) exceeds 0.93.

    Parameters
    ----------
    table : the imported customers
    schema : their columns
    columns : their roles; ``allow_leaking`` are reported, but not blocked
    seed : divides the rows into fifths

    Returns
    -------
    findings : the strongest first; ``blocked`` ones are kept from models

    Raises
    ------
    ColumnMissing, TargetInvalid : the target is missing, or has blanks
    """
    left = labels(table, columns.target, columns.positive)
    if left.all() or not left.any():
        return ()
    rng = stream(seed, "leakage")
    groups, _ = customer_groups(table, columns)
    known = _Known(left, deal(groups, left, (1.0,) * _FOLDS, rng))
    findings: list[LeakFinding] = []
    skipped = {columns.target, columns.time, *columns.ignore}
    present = set(table.column_names)
    for column in schema.columns:
        if column.name in skipped or column.name not in present:
            continue
        if column.name == columns.id:
            findings += _of_id(table.column(column.name), column, known)
        elif column.kind != "time":
            findings += _of_input(table.column(column.name), column, known)
    allowed = set(columns.allow_leaking)
    findings = [
        finding.model_copy(
            update={
                "blocked": False,
                "evidence": f"{finding.evidence} (allowed in churnkit.toml)",
            }
        )
        if finding.blocked and finding.column in allowed
        else finding
        for finding in findings
    ]
    return tuple(sorted(findings, key=lambda f: (not f.blocked, -f.figure, f.column)))


def single_column_auc(values: pa.ChunkedArray, kind: str, left: Bools, *, seed: int = 0) -> float:
    """How well a column alone predicts, cross-fitted: AUC in [0.5, 1]; rows are independent.

    Parameters
    ----------
    values : shape (n_rows,)
    left : shape (n_rows,)
    """
    rng = np.random.default_rng(seed)
    known = _Known(left, rng.permutation(len(left)) % _FOLDS)
    return max(_cross_fitted_auc(_cells(values, kind), known), 0.5)


def _of_input(values: pa.ChunkedArray, column: TableColumn, known: _Known) -> list[LeakFinding]:
    copied = _copy(values, column, known)
    if copied is not None:
        return [copied]
    found: list[LeakFinding] = []
    filled = _filled(values, column, known)
    if filled is not None:
        found.append(filled)
    auc = _cross_fitted_auc(_cells(values, column.kind), known)
    low = _lower_bound(auc, known)
    if low > PREDICTS or auc > SUSPECT:
        convicted = low > PREDICTS
        found.append(
            LeakFinding(
                column=column.name,
                kind="predicts",
                figure=auc,
                evidence=f"alone it predicts the target with AUC {auc:.3f} "
                f"(99 % sure to be above {low:.3f})",
                blocked=convicted,
            )
        )
    return found


def _of_id(values: pa.ChunkedArray, column: TableColumn, known: _Known) -> list[LeakFinding]:
    """An id that predicts says that rows were numbered by what happened; it is never an input."""
    if column.kind == "number":
        position = pc.fill_null(values.cast(pa.float64()), np.nan).to_numpy()
    else:
        order = pc.rank(values.combine_chunks(), sort_keys="ascending", tiebreaker="dense")
        position = order.to_numpy().astype(np.float64)
    auc = _cross_fitted_auc(_binned(position), known)
    if _lower_bound(auc, known) <= 0.75:
        return []
    return [
        LeakFinding(
            column=column.name,
            kind="id",
            figure=auc,
            evidence=f"the order of the ids alone predicts the target with AUC {auc:.3f}; "
            "is the file sorted by what happened?",
            blocked=False,
        )
    ]


def _copy(values: pa.ChunkedArray, column: TableColumn, known: _Known) -> LeakFinding | None:
    codes, distinct = column_codes(values)
    if not 2 <= len(distinct) <= 3:
        return None
    best, best_value = 0.0, ""
    for code, value in enumerate(distinct.to_pylist()):
        agree = float(((codes == code) == known.left).mean())
        for share in (agree, 1 - agree):
            if share > best:
                best, best_value = share, str(value)
    # With few churners, saying 'nobody leaves' agrees almost always, too.
    trivial = max(known.rate, 1 - known.rate)
    if best < COPIES or (1 - best) > (1 - trivial) / 4:
        return None
    return LeakFinding(
        column=column.name,
        kind="copy",
        figure=best,
        evidence=f"whether it is '{best_value}' agrees with the target in {best:.1%} of the rows",
        blocked=_lower_bound(best, known) > PREDICTS,
    )


def _filled(values: pa.ChunkedArray, column: TableColumn, known: _Known) -> LeakFinding | None:
    present = pc.is_valid(values).to_numpy()
    n = int(present.sum())
    if not _MIN_FILLED <= n < len(present):
        return None
    share = float(known.left[present].mean())
    for figure, base, who in (
        (share, known.rate, "left"),
        (1 - share, 1 - known.rate, "stayed"),
    ):
        # Much more than chance is needed as well: where 97 % stay, most columns are so.
        enough = (1 - figure) <= (1 - base) / 4
        if who == "left":
            # A reason for leaving convicts however few churners gave one, if beyond chance.
            enough = enough and _upper_share(1 - figure, n) <= min(_STRAY, (1 - base) / 2)
        else:
            # Some kinds of customers hardly ever leave; what only these have is honest.
            enough = enough and float(present[~known.left].mean()) >= _STAYERS_COVERED
        if figure >= FILLED and enough:
            return LeakFinding(
                column=column.name,
                kind="filled",
                figure=figure,
                evidence=f"{figure:.1%} of the {n:,} rows where it is filled are customers "
                f"who {who} ({base:.1%} of all are)",
                blocked=True,
            )
    return None


# --- one column's own prediction ----------------------------------------------------------


def _cells(values: pa.ChunkedArray, kind: str) -> npt.NDArray[np.int64]:
    """Each row's cell: its value's code or its quantile bin; missing is one of them."""
    if kind == "number":
        return _binned(pc.fill_null(values.cast(pa.float64()), np.nan).to_numpy())
    codes, _ = column_codes(values)
    return codes + 1


def _binned(numbers: Floats) -> npt.NDArray[np.int64]:
    present = ~np.isnan(numbers)
    n = int(present.sum())
    cells = np.zeros(len(numbers), dtype=np.int64)
    if n:
        distinct, rank, count = np.unique(numbers[present], return_inverse=True, return_counts=True)
        n_bins = min(_BINS, max(4, n // _ROWS_PER_BIN))
        if len(distinct) > n_bins:
            # A value is in the bin of its middle row, so a frequent one is alone in its bin.
            middle = (np.cumsum(count) - count / 2) / n
            rank = np.floor(middle * n_bins).astype(np.int64)[rank]
        cells[present] = rank + 1
    return cells


def _cross_fitted_auc(cells: npt.NDArray[np.int64], known: _Known) -> float:
    """AUC of the label's mean within the cell, learnt on the other folds."""
    n_cells = int(cells.max()) + 1
    keys = known.folds * n_cells + cells
    size = _FOLDS * n_cells
    n = np.bincount(keys, minlength=size).reshape(_FOLDS, n_cells)
    k = np.bincount(keys, weights=known.left, minlength=size).reshape(_FOLDS, n_cells)
    others_n, others_k = n.sum(axis=0) - n, k.sum(axis=0) - k
    # Drawn to the overall rate, so that a cell with one customer says little.
    fold_rate = others_k.sum(axis=1, keepdims=True) / others_n.sum(axis=1, keepdims=True)
    mean = (others_k + 2 * fold_rate) / (others_n + 2)
    # Within each fold only: between folds the overall rate differs, the wrong way round.
    aucs, weights = [], []
    for fold in range(_FOLDS):
        churned, stayed = k[fold], n[fold] - k[fold]
        pairs = churned.sum() * stayed.sum()
        if pairs:
            aucs.append(_auc(mean[fold], churned, stayed))
            weights.append(pairs)
    return float(np.average(aucs, weights=weights)) if aucs else 0.5


def _auc(score: Floats, churned: Floats, stayed: Floats) -> float:
    """AUC of grouped scores; ties count half."""
    order = np.argsort(score, kind="stable")
    values, starts = np.unique(score[order], return_index=True)
    pos = np.add.reduceat(churned[order], starts)
    neg = np.add.reduceat(stayed[order], starts)
    below = np.cumsum(neg) - neg
    del values
    return float((pos * (below + neg / 2)).sum() / (pos.sum() * neg.sum()))


def _lower_bound(auc: float, known: _Known) -> float:
    """The 99 % lower bound of an AUC: the smallest area that ``auc`` does not contradict.

    Method 5 of Newcombe (2006): the variance of Hanley & McNeil (1982) is taken at the bound and
    not at ``auc``, so that an AUC of 1 from few rows has a bound well below 1.
    """
    n_left = int(known.left.sum())
    n_stayed = len(known.left) - n_left
    half = len(known.left) / 2 - 1
    low, high = 0.0, auc
    for _ in range(40):
        middle = (low + high) / 2
        spread = 1 + half * ((1 - middle) / (2 - middle) + middle / (1 + middle))
        error = math.sqrt(middle * (1 - middle) * spread / (n_left * n_stayed))
        low, high = (middle, high) if auc - middle > _Z * error else (low, middle)
    return low


def _upper_share(share: float, n: int) -> float:
    """The 99 % upper bound of a share of n rows (Wilson 1927)."""
    z2 = _Z * _Z
    error = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (share + z2 / (2 * n) + error) / (1 + z2 / n)
