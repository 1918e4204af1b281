"""A fitted pipeline as a file that holds data, never code."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from churnkit.errors import BundleUnreadable, UntrustedType
from churnkit.files import storage_errors

TRUSTED = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""What our candidates need beyond what skops trusts; fixed here, never read from a file."""

_MAX_UNPACKED = 2_000_000_000
"""Bytes; the largest forest that churnkit fits stays far below."""


def dump_pipeline(pipeline: object, path: Path) -> None:
    """Write a fitted pipeline.

    Raises
    ------
    UntrustedType : it holds a type that could not be read again
    """
    from skops import io

    with storage_errors(path):
        io.dump(pipeline, path, compression=zipfile.ZIP_DEFLATED, compresslevel=6)
    _audit(path)


def load_pipeline(path: Path) -> Any:
    """Read a pipeline, after looking at every type that its file names.

    Raises
    ------
    BundleUnreadable : no skops file, or cut off
    UntrustedType : a type that is not on churnkit's list; nothing of it was constructed
    """
    from skops import io
    from skops.io.exceptions import UntrustedTypesFoundException

    _audit(path)
    try:
        return io.load(path, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise _untrusted(str(error), path) from error
    except _BROKEN as error:
        raise _unreadable(path) from error


_BROKEN = (
    zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, ImportError, EOFError,
    OSError, IndexError,
)  # fmt: skip
"""What a damaged file makes of a reader."""


def _audit(path: Path) -> None:
    from skops import io

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
        if size > _MAX_UNPACKED:
            raise BundleUnreadable(
                f"the model's file unpacks to {size:,} bytes, which no model of churnkit does.",
                fix="Do not use it.",
                file=path,
            )
        unknown = [name for name in io.get_untrusted_types(file=path) if name not in TRUSTED]
    except _BROKEN as error:
        raise _unreadable(path) from error
    if unknown:
        raise _untrusted(", ".join(sorted(unknown)), path)


def _untrusted(names: str, path: Path) -> UntrustedType:
    return UntrustedType(
        f"the model's file names types that churnkit does not trust: {names}.",
        fix="Do not use it; train a model with churnkit's own candidates.",
        file=path,
    )


def _unreadable(path: Path) -> BundleUnreadable:
    return BundleUnreadable(
        "the model's file cannot be read.", fix="Restore it, or train again.", file=path
    )
