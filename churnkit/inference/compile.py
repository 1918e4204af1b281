"""A trained pipeline as files that are quick to load and evaluate, without scikit-learn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.columns import ModelSchema
from churnkit.errors import BundleUnreadable
from churnkit.inference.calibration import (
    Calibration,
    calibration_from_json,
    calibration_from_sklearn,
)
from churnkit.inference.linear import LinearModel, linear_from_json, probe_linear
from churnkit.inference.native import NativeTrees, trees_from_bytes
from churnkit.inference.pipelines import fitted_parts, sklearn_margin
from churnkit.inference.tree_shap import (
    TreeShapley,
    build_shapley,
    shapley_from_bytes,
    sklearn_trees,
)

Floats = NDArray[np.float64]

FORMAT = 1
HEAD = "compiled.json"
TREES = "trees.treelite"
REASONS = "reasons.npz"
_FLAT = 1e-9
"""Margins closer than this to the base count as the base itself."""


class _Walk(Protocol):
    """What evaluates margins."""

    def margin_one(self, x: Floats) -> float: ...

    def margins(self, X: Floats) -> Floats: ...


class CompiledModel:
    """A model that predicts and explains encoded rows; safe to share between threads.

    Attributes
    ----------
    kind : ``linear`` or ``trees``
    base_margin : m₀, the margin of a row of which nothing is known
    base_probability : g(m₀)
    """

    def __init__(
        self,
        walk: LinearModel | NativeTrees,
        calibration: Calibration,
        shapley: LinearModel | TreeShapley,
        schema: ModelSchema,
    ) -> None:
        self.kind = "linear" if isinstance(walk, LinearModel) else "trees"
        self.schema = schema
        self.calibration = calibration
        self._walk: _Walk = walk
        self._model = walk
        self._shapley = shapley
        self.base_margin = shapley.base_margin
        self.base_probability = calibration.one(self.base_margin)

    def predict_one(self, x: Floats) -> float:
        """The calibrated probability of one encoded row of shape (n_inputs,)."""
        return self.calibration.one(self._walk.margin_one(x))

    def predict(self, X: Floats) -> Floats:
        """The calibrated probabilities of encoded rows of shape (n, n_inputs)."""
        return self.calibration.many(self._walk.margins(X))

    def margin(self, X: Floats) -> Floats:
        """The margins, before calibration: log-odds, or a forest's mean vote."""
        return self._walk.margins(X)

    def shapley(self, x: Floats) -> Floats:
        """Shapley values of one row's margin for the raw columns, shape (n_inputs,).

        They add up to ``margin - base_margin``.
        """
        if isinstance(self._model, NativeTrees):
            x = self._model.prepared(x[None, :])[0]
        return self._shapley.contributions(x)

    def points(self, x: Floats) -> tuple[float, Floats]:
        """The probability of one row, and each column's share of it in probability points.

        The Shapley values φ of the margin m become φ·(g(m) - g(m₀)) / (m - m₀), and
        φ·g′(m₀) where m is m₀: signs never flip, and the sum is g(m) - g(m₀). Where an isotonic
        calibration is flat between m₀ and m, all points are 0.
        """
        margin = self._walk.margin_one(x)
        p = self.calibration.one(margin)
        distance = margin - self.base_margin
        if abs(distance) > _FLAT:
            scale = (p - self.base_probability) / distance
        else:
            scale = self.calibration.slope(self.base_margin)
        return p, self.shapley(x) * scale

    def to_files(self) -> dict[str, bytes]:
        """The model as files; ``from_files`` reads them."""
        files: dict[str, bytes] = {}
        head: dict[str, Any] = {
            "format": FORMAT,
            "kind": self.kind,
            "calibration": self.calibration.to_json(),
        }
        if isinstance(self._model, LinearModel):
            head["linear"] = self._model.to_json()
        elif isinstance(self._shapley, TreeShapley):
            files = {TREES: self._model.to_bytes(), REASONS: self._shapley.to_bytes()}
            head |= {
                "float32": self._model.float32,
                "fill": None if self._model.fill is None else self._model.fill.tolist(),
                "sha256": {name: _hash(content) for name, content in files.items()},
            }
        return {HEAD: json.dumps(head, indent=1).encode(), **files}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], schema: ModelSchema) -> CompiledModel:
        """Read a compiled model.

        Raises
        ------
        BundleUnreadable : a file is missing or damaged, or does not fit to the schema
        """
        try:
            head = json.loads(files[HEAD])
            if head["format"] != FORMAT:
                raise _unreadable(f"it has format {head['format']}")
            calibration = calibration_from_json(head["calibration"])
            if head["kind"] == "linear":
                model = linear_from_json(head["linear"], schema)
                return cls(model, calibration, model, schema)
            for name in (TREES, REASONS):
                # treelite trusts what it reads: only bytes that we wrote may reach it.
                if _hash(files[name]) != head["sha256"][name]:
                    raise _unreadable(f"{name} is not what was recorded")
            n_inputs = len(schema.inputs)
            fill = None if head["fill"] is None else np.asarray(head["fill"], dtype=np.float64)
            trees = trees_from_bytes(
                files[TREES], n_inputs, float32=bool(head["float32"]), fill=fill
            )
            return cls(trees, calibration, shapley_from_bytes(files[REASONS], n_inputs), schema)
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable("a part is missing") from error


def compile_pipeline(pipeline: Any, schema: ModelSchema, background: Floats) -> CompiledModel:
    """Compile a calibrated scikit-learn pipeline.

    Parameters
    ----------
    pipeline : ``CalibratedClassifierCV`` over ``encode``, …, ``classifier``
    schema : what it reads
    background : encoded training rows, shape (n, n_inputs); only means and ranges are kept

    Raises
    ------
    BundleUnreadable : a kind of pipeline that churnkit cannot compile
    """
    inner, calibrator = fitted_parts(pipeline)
    calibration = calibration_from_sklearn(calibrator)
    names = [name for name, _ in inner.steps]
    if names == ["encode", "prepare", "classifier"]:
        model = probe_linear(lambda X: sklearn_margin(pipeline, X), schema, background)
        return CompiledModel(model, calibration, model, schema)
    if names not in (["encode", "classifier"], ["encode", "impute", "classifier"]):
        raise BundleUnreadable(
            f"a pipeline of the steps {', '.join(names)} cannot be compiled.",
            fix="Use encode, [impute], classifier for trees, and encode, prepare, classifier for "
            "linear models.",
        )
    import treelite

    classifier = inner.steps[-1][1]
    fill = None
    if "impute" in names:
        fill = np.asarray(inner.named_steps["impute"].statistics_, dtype=np.float64)
    trees, offset = sklearn_trees(classifier)
    native = NativeTrees(
        treelite.sklearn.import_model(classifier),
        len(schema.inputs),
        # scikit-learn's own trees round their input; its histograms do not.
        float32=not hasattr(classifier, "_predictors"),
        fill=fill,
    )
    shapley = build_shapley(trees, len(schema.inputs), offset)
    return CompiledModel(native, calibration, shapley, schema)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _unreadable(why: str) -> BundleUnreadable:
    return BundleUnreadable(
        f"the compiled model cannot be read: {why}.",
        fix="Restore the bundle from a backup, or train again.",
        file=HEAD,
    )
