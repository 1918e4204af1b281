"""A tree ensemble's margin through treelite's C entry ``TreeliteGTILPredict``.

The library's Python wrapper spends most of a one-row call on preparing the call. Here handles
and buffers are prepared once, and each thread has buffers of its own.
"""

from __future__ import annotations

import ctypes
import threading
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import treelite
from numpy.typing import NDArray
from treelite.core import _LIB as LIBRARY
from treelite.core import TreeliteError
from treelite.gtil.gtil import GTILConfig

from churnkit.errors import BundleUnreadable

Floats = NDArray[np.float64]
_TYPE = b"float64"


class _Buffers(threading.local):
    """One row's input and output; each thread sees its own."""

    def __init__(self, n_inputs: int, n_outputs: int) -> None:
        self.row = np.zeros(n_inputs, dtype=np.float64)
        self.rounded = np.zeros(n_inputs, dtype=np.float32)
        self.out = np.zeros(n_outputs, dtype=np.float64)
        self.row_pointer = ctypes.c_void_p(self.row.ctypes.data)
        self.out_pointer = ctypes.c_void_p(self.out.ctypes.data)


class NativeTrees:
    """Margins of an ensemble; safe to share between threads.

    Parameters
    ----------
    model : the ensemble, with float64 thresholds
    n_inputs : length of an encoded row
    float32 : round inputs to float32 first, as scikit-learn's forests and gradient boosting do
    fill : what stands for NaN, shape (n_inputs,), or None when the trees take NaN themselves
    """

    def __init__(
        self, model: treelite.Model, n_inputs: int, *, float32: bool, fill: Floats | None
    ) -> None:
        self.model = model
        self.n_inputs = n_inputs
        self.float32 = float32
        self.fill = fill
        if (
            model.input_type != "float64"
            or model.output_type != "float64"
            or model.num_feature != n_inputs
        ):
            raise _damaged("it does not fit to the schema")
        n_outputs = int(model.get_header_accessor().get_field("num_class")[0])
        if n_outputs not in (1, 2):
            raise _damaged("it has more than two classes")
        self.n_outputs = n_outputs
        self._handle = model.handle
        self._single = GTILConfig(predict_type="raw", nthread=1)
        # As many threads as OpenMP allows where the call is made, which is one in a thread of a
        # pool; a number above that is refused.
        self._parallel = GTILConfig(predict_type="raw", nthread=-1)
        self._buffers = _Buffers(n_inputs, n_outputs)
        self._one_row = ctypes.c_uint64(1)
        self._predict: Any = LIBRARY.TreeliteGTILPredict

    def margin_one(self, x: Floats) -> float:
        """The margin of one encoded row of shape (n_inputs,)."""
        if x.shape != (self.n_inputs,):
            raise ValueError(f"expected shape ({self.n_inputs},), got {x.shape}")
        local = self._buffers
        row = local.row
        if self.float32:
            local.rounded[:] = x
            row[:] = local.rounded
        else:
            row[:] = x
        if self.fill is not None:
            np.copyto(row, self.fill, where=np.isnan(row))
        local.out[:] = 0.0
        status = self._predict(
            self._handle,
            local.row_pointer,
            _TYPE,
            self._one_row,
            local.out_pointer,
            self._single.handle,
        )
        if status != 0:
            raise _damaged("the trees cannot be evaluated")
        return float(local.out[-1])

    def margin_of(self, row: Sequence[float]) -> float:
        """The margin of one encoded row of n_inputs numbers."""
        return self.margin_one(np.array(row, dtype=np.float64))

    def margins(self, X: Floats) -> Floats:
        """The margins of rows of shape (n, n_inputs), on the cores that the caller may use."""
        data = self.prepared(X)
        out = np.zeros((len(data), self.n_outputs), dtype=np.float64)
        if len(data):
            status = self._predict(
                self._handle,
                ctypes.c_void_p(data.ctypes.data),
                _TYPE,
                ctypes.c_uint64(len(data)),
                ctypes.c_void_p(out.ctypes.data),
                self._parallel.handle,
            )
            if status != 0:
                raise _damaged("the trees cannot be evaluated")
        return np.ascontiguousarray(out[:, -1])

    def prepared(self, X: Floats) -> Floats:
        """The rows as the trees compare them: rounded and filled, C-contiguous float64."""
        if X.ndim != 2 or X.shape[1] != self.n_inputs:
            raise ValueError(f"expected shape (n, {self.n_inputs}), got {X.shape}")
        if self.float32:
            X = X.astype(np.float32).astype(np.float64)
        if self.fill is not None:
            X = np.where(np.isnan(X), self.fill, X)
        return np.ascontiguousarray(X, dtype=np.float64)

    def to_bytes(self) -> bytes:
        """The ensemble in treelite's own format."""
        content: bytes = self.model.serialize_bytes()
        return content


def trees_from_bytes(
    content: bytes, n_inputs: int, *, float32: bool, fill: Floats | None
) -> NativeTrees:
    """Read what ``to_bytes`` wrote. The caller has compared its hash before.

    Raises
    ------
    BundleUnreadable : treelite refuses it, or it does not fit
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a note that another treelite wrote it
            model = treelite.Model.deserialize_bytes(content)
    except TreeliteError as error:
        raise _damaged("treelite refuses it") from error
    return NativeTrees(model, n_inputs, float32=float32, fill=fill)


def _damaged(why: str) -> BundleUnreadable:
    return BundleUnreadable(
        f"the compiled trees cannot be used: {why}.",
        fix="Restore the bundle from a backup, or train again.",
        file="trees.treelite",
    )
