"""Columns as small integers, and rows as groups of equal ones; all vectorised."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]

_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def as_array(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece and without dictionary encoding."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.combine_chunks()


def column_codes(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Each row's position among the column's distinct values, in order of first appearance.

    Returns
    -------
    codes : shape (n_rows,), missing is -1
    values : shape (n_distinct,), without missing
    """
    encoded = as_array(column).dictionary_encode(null_encoding="mask")
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, encoded.dictionary


def row_groups(table: pa.Table, names: Iterable[str]) -> Ints:
    """Group rows that are equal in all the named columns; missing equals missing.

    Rows are compared by a 64-bit hash of their codes (the finaliser of SplitMix64, Steele et
    al. 2014): among a million different rows, two share a hash with probability 3e-8.

    Returns
    -------
    groups : shape (n_rows,), the group's number in [0, n_groups)
    """
    hashed = np.zeros(table.num_rows, dtype=np.uint64)
    for name in names:
        codes, _ = column_codes(table.column(name))
        hashed = _mixed(hashed * _STEP + (codes + 2).astype(np.uint64))
    return np.unique(hashed, return_inverse=True)[1].astype(np.int64)


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * _MIX_A
    x = (x ^ (x >> np.uint64(27))) * _MIX_B
    return x ^ (x >> np.uint64(31))
