"""Columns that know the answer, each with the figure that convicts it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.codes import column_codes
from churnkit.data.target import labels
from churnkit.domain.columns import TableColumn, TableSchema
from churnkit.domain.profiles import LeakFinding
from churnkit.settings import ColumnsTable

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
_MIN_FILLED = 20
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
    values gains nothing from learning them by heart. It is convicted when the 99 % lower
    bound of that AUC (Hanley & McNeil 1982) exceeds 0.93.

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
    rng = np.random.default_rng(seed)
    known = _Known(left, rng.permutation(len(left)) % _FOLDS)
    findings: list[LeakFinding] = []
    skipped = {columns.target, columns.time, *columns.ignore}
    for column in schema.columns:
        if column.name in skipped or column.name not in table.column_names:
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
    """How well a column alone predicts, cross-fitted: AUC in [0.5, 1].

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
        blocked=True,
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
        # A tenth more than chance is needed as well: where 97 % stay, most columns are so.
        covered = float(present[known.left if who == "left" else ~known.left].mean())
        enough = (1 - figure) <= (1 - base) / 4 and covered > 0.2
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
    if not present.any():
        return np.zeros(len(numbers), dtype=np.int64)
    edges = np.unique(np.quantile(numbers[present], np.linspace(0, 1, _BINS + 1)[1:-1]))
    cells = np.searchsorted(edges, numbers, side="right") + 1
    return np.where(present, cells, 0).astype(np.int64)


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
    """The 99 % lower bound of an AUC (Hanley & McNeil 1982, equation 1)."""
    n_left = int(known.left.sum())
    n_stayed = len(known.left) - n_left
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (
        auc * (1 - auc) + (n_left - 1) * (q1 - auc * auc) + (n_stayed - 1) * (q2 - auc * auc)
    ) / (n_left * n_stayed)
    return auc - _Z * float(np.sqrt(max(variance, 0.0)))
