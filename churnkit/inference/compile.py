"""A trained pipeline as plain data that answers without scikit-learn.

``compiled.json`` says what it is, and holds the calibration and a linear model's tables;
``trees.treelite`` holds an ensemble. Both are data, never code; neither holds a customer's row.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.columns import ModelSchema
from churnkit.errors import BundleTooNew, BundleUnreadable
from churnkit.inference.bit_walk import MOST_LEAVES, BitWalk
from churnkit.inference.calibration import (
    Calibration,
    calibration_from_json,
    calibration_from_sklearn,
)
from churnkit.inference.linear import LinearMargin, probe_linear
from churnkit.inference.native import NativeTrees, trees_from_bytes
from churnkit.inference.pipelines import fitted_parts, sklearn_margin
from churnkit.inference.sampled import SampledShapley, reference_row
from churnkit.inference.tree_shap import TreeShapley, trees_of

Floats = NDArray[np.float64]
FORMAT = 1
_JSON = "compiled.json"
_TREES = "trees.treelite"
_FLOAT32 = ("RandomForestClassifier", "GradientBoostingClassifier")
_ENSEMBLES = (*_FLOAT32, "HistGradientBoostingClassifier")


class Margin(Protocol):
    """A model's output before calibration, with its Shapley values."""

    @property
    def base_margin(self) -> float:
        """The margin when no column is known; contributions add up to the rest."""

    def margin_one(self, x: Floats) -> float:
        """For one encoded row of shape (n_inputs,)."""

    def margin_of(self, row: Sequence[float]) -> float:
        """The same for plain numbers: the quickest way for one row."""

    def margins(self, X: Floats) -> Floats:
        """For encoded rows of shape (n, n_inputs)."""

    def contributions(self, x: Floats) -> Floats:
        """Shapley values of the margin, shape (n_inputs,)."""


class TreeMargin:
    """An ensemble's margin; what its reasons need is built when they are first asked for."""

    def __init__(self, trees: NativeTrees) -> None:
        self.trees = trees
        arrays, base = trees_of(trees.model)
        self._parts = arrays, base
        # A tree of more leaves than a word has bits is walked by treelite.
        few = all((tree.left < 0).sum() <= MOST_LEAVES for tree in arrays)
        walk: BitWalk | NativeTrees = trees
        if few:
            walk = BitWalk(arrays, trees.n_inputs, base, float32=trees.float32, fill=trees.fill)
        self.margin_one, self.margin_of = walk.margin_one, walk.margin_of
        self.takes_many = isinstance(walk, BitWalk) and walk.takes_many
        """Whether many rows are quicker here than by scikit-learn's own trees."""
        self.margins = walk.margins if self.takes_many else trees.margins
        self._shapley: TreeShapley | None = None
        self._lock = threading.Lock()

    @property
    def base_margin(self) -> float:
        return self._explainer().base_margin

    def contributions(self, x: Floats) -> Floats:
        return self._explainer().contributions(self.trees.prepared(x[None, :])[0])

    def _explainer(self) -> TreeShapley:
        if self._shapley is None:
            with self._lock:
                if self._shapley is None:
                    arrays, base = self._parts
                    self._shapley = TreeShapley(arrays, self.trees.n_inputs, base)
        return self._shapley


class PipelineMargin:
    """A classifier that has no compiled form: scikit-learn answers, reasons are sampled."""

    def __init__(self, reference: Floats, pipeline: Callable[[], object] | None = None) -> None:
        self.reference = reference
        self.pipeline = pipeline

    @property
    def base_margin(self) -> float:
        return self.margin_one(self.reference)

    def margin_one(self, x: Floats) -> float:
        return float(self.margins(x[None, :])[0])

    def margin_of(self, row: Sequence[float]) -> float:
        return self.margin_one(np.array(row, dtype=np.float64))

    def margins(self, X: Floats) -> Floats:
        if self.pipeline is None:
            raise BundleUnreadable(
                "this model has no compiled form, and its pipeline was not given.",
                fix="Load the bundle's scikit-learn pipeline too.",
            )
        return sklearn_margin(self.pipeline(), X)

    def contributions(self, x: Floats) -> Floats:
        return SampledShapley(self.margins, self.reference).contributions(x)


class CompiledModel:
    """A calibrated model on encoded rows; may be shared between threads.

    Attributes
    ----------
    kind : ``linear``, ``trees``, or ``sklearn`` (no compiled form; needs ``with_pipeline``)
    n_inputs : length of an encoded row
    """

    def __init__(self, kind: str, n_inputs: int, margin: Margin, calibration: Calibration) -> None:
        self.kind = kind
        self.n_inputs = n_inputs
        self.engine = margin
        self.calibration = calibration

    @property
    def slow_for_many(self) -> bool:
        """Whether scikit-learn's own, vectorised trees are quicker for many rows."""
        return isinstance(self.engine, TreeMargin) and not self.engine.takes_many

    def predict_one(self, x: Floats) -> float:
        """The calibrated probability of one encoded row of shape (n_inputs,)."""
        return self.calibration.one(self.engine.margin_one(x))

    def predict_of(self, row: Sequence[float]) -> float:
        """The same for plain numbers, see ``RowEncoder.values``."""
        return self.calibration.one(self.engine.margin_of(row))

    def predict(self, X: Floats) -> Floats:
        """The calibrated probabilities of rows of shape (n, n_inputs)."""
        return self.calibration.many(self.engine.margins(X))

    def margin(self, X: Floats) -> Floats:
        """The model's output before calibration, shape (n,)."""
        return self.engine.margins(X)

    def with_pipeline(self, pipeline: Callable[[], object]) -> CompiledModel:
        """This model, with scikit-learn's pipeline at hand for the kind ``sklearn``."""
        if isinstance(self.engine, PipelineMargin):
            engine = PipelineMargin(self.engine.reference, pipeline)
            return CompiledModel(self.kind, self.n_inputs, engine, self.calibration)
        return self

    def to_files(self) -> dict[str, bytes]:
        """The model as named files for a bundle."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "kind": self.kind,
            "n_inputs": self.n_inputs,
            "calibration": self.calibration.to_json(),
        }
        files: dict[str, bytes] = {}
        if isinstance(self.engine, LinearMargin):
            content["linear"] = self.engine.to_json()
        elif isinstance(self.engine, PipelineMargin):
            content["reference"] = _nullable(self.engine.reference)
        elif isinstance(self.engine, TreeMargin):
            trees = self.engine.trees
            data = trees.to_bytes()
            content["trees"] = {
                "float32": trees.float32,
                "fill": None if trees.fill is None else trees.fill.tolist(),
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            files[_TREES] = data
        files[_JSON] = json.dumps(content, indent=1, allow_nan=False).encode()
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> CompiledModel:
        """The model that ``to_files`` wrote.

        The ensemble's length and SHA-256 are compared before treelite sees it.

        Raises
        ------
        BundleUnreadable : a file is missing, cut off or not what it should be
        BundleTooNew : a later format
        """
        try:
            content = json.loads(_file(files, _JSON))
            if content["format"] > FORMAT:
                raise BundleTooNew(
                    "the compiled model was written by a later churnkit.",
                    fix="Install that version of churnkit.",
                    file=_JSON,
                )
            kind, n_inputs = content["kind"], content["n_inputs"]
            if not isinstance(n_inputs, int) or not isinstance(content["calibration"], dict):
                raise _damaged(_JSON)
            calibration = calibration_from_json(content["calibration"])
            engine: Margin
            if kind == "linear":
                engine = LinearMargin.from_json(content["linear"], n_inputs)
            elif kind == "trees":
                engine = _read_trees(content["trees"], _file(files, _TREES), n_inputs)
            elif kind == "sklearn":
                engine = PipelineMargin(_vector(content["reference"], n_inputs))
            else:
                raise _damaged(_JSON)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(_JSON) from error
        return cls(kind, n_inputs, engine, calibration)


def compile_pipeline(pipeline: Any, schema: ModelSchema, background: Floats) -> CompiledModel:
    """Compile a trained pipeline.

    Parameters
    ----------
    pipeline : a fitted, calibrated pipeline (see ``churnkit.inference.pipelines``)
    schema : what its encoder reads
    background : encoded training rows, shape (n, n_inputs); only aggregates of them are kept

    Raises
    ------
    BundleUnreadable : not such a pipeline
    """
    inner, calibrator = fitted_parts(pipeline)
    calibration = calibration_from_sklearn(calibrator)
    n_inputs = len(schema.inputs)
    kind, engine = _engine(pipeline, inner, schema, background)
    return CompiledModel(kind, n_inputs, engine, calibration)


def _engine(
    pipeline: Any, inner: Any, schema: ModelSchema, background: Floats
) -> tuple[str, Margin]:
    classifier = inner.steps[-1][1]
    between = [step for _, step in inner.steps[1:-1] if step not in (None, "passthrough")]
    name = type(classifier).__name__
    if name in _ENSEMBLES and len(between) <= 1:
        fill = _constant_fill(between[0], len(schema.inputs)) if between else None
        if fill is not None or not between:
            import treelite.sklearn

            model = treelite.sklearn.import_model(classifier)
            trees = NativeTrees(model, len(schema.inputs), float32=name in _FLOAT32, fill=fill)
            return "trees", TreeMargin(trees)
    if hasattr(classifier, "coef_"):
        linear = probe_linear(pipeline, schema, background)
        if linear is not None:
            return "linear", linear
    return "sklearn", PipelineMargin(reference_row(schema, background), lambda: pipeline)


def _constant_fill(step: Any, n_inputs: int) -> Floats | None:
    """What an imputer puts in place of NaN, if that is all it does."""
    statistics = getattr(step, "statistics_", None)
    if statistics is None or getattr(step, "add_indicator", False):
        return None
    fill = np.asarray(statistics, dtype=np.float64)
    return fill if fill.shape == (n_inputs,) and np.isfinite(fill).all() else None


def _read_trees(about: Mapping[str, Any], data: bytes, n_inputs: int) -> TreeMargin:
    if len(data) != about["bytes"] or hashlib.sha256(data).hexdigest() != about["sha256"]:
        raise _damaged(_TREES)
    fill = None if about["fill"] is None else _vector(about["fill"], n_inputs)
    return TreeMargin(trees_from_bytes(data, n_inputs, float32=bool(about["float32"]), fill=fill))


def _vector(values: list[float | None], n_inputs: int) -> Floats:
    vector = np.array([math.nan if v is None else float(v) for v in values], dtype=np.float64)
    if vector.shape != (n_inputs,):
        raise _damaged(_JSON)
    return vector


def _nullable(values: Floats) -> list[float | None]:
    return [None if math.isnan(v) else v for v in values.tolist()]


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    try:
        return files[name]
    except KeyError:
        raise BundleUnreadable(
            "the file is missing.",
            fix="Restore the bundle from a backup, or train again.",
            file=name,
        ) from None


def _damaged(name: str) -> BundleUnreadable:
    return BundleUnreadable(
        "the file is cut off or damaged.",
        fix="Restore the bundle from a backup, or train again.",
        file=name,
    )
