"""Whatever a row holds, every path says what scikit-learn says, or refuses it by name."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit import errors
from churnkit.data.frames import model_frame
from churnkit.data.scoring_input import stream_typed
from churnkit.domain.columns import LARGEST, ModelSchema
from churnkit.inference.batch import score_batches
from churnkit.inference.compile import CompiledModel, compile_pipeline
from churnkit.inference.predictor import SKLEARN_FROM_ROWS, Predictor
from churnkit.settings.models import ServingTable
from churnkit.usecases.tables import TableSource
from tests.models import KINDS, fitted

NUMBERS = ("tenure", "monthly_charge", "support_calls")
ROWS_AT_ONCE = 12


@cache
def _predictor(name: str, method: str) -> Predictor:
    model = fitted(name, method)
    compiled = compile_pipeline(model.pipeline, model.schema, model.X)
    return Predictor(
        CompiledModel.from_files(compiled.to_files()),
        model.schema,
        pipeline=lambda: model.pipeline,
        version="v1",
        serving=ServingTable(),
        base_rate=0.3,
    )


@cache
def _borders(name: str) -> tuple[float, ...]:
    """Thresholds of the model's trees, and the nearest numbers around them in both precisions."""
    model = fitted(name)
    classifier = model.pipeline.calibrated_classifiers_[0].estimator[-1]
    found: set[float] = set()
    if hasattr(classifier, "_predictors"):
        for (tree,) in classifier._predictors:
            found |= set(tree.nodes["num_threshold"][tree.nodes["is_leaf"] == 0].tolist())
    elif hasattr(classifier, "estimators_"):
        for tree in np.ravel(classifier.estimators_):
            found |= set(tree.tree_.threshold[tree.tree_.feature >= 0].tolist())
    near: list[float] = []
    for value in sorted(found)[:: max(1, len(found) // 60)]:
        single = np.float32(value)
        near += [
            value,
            math.nextafter(value, -math.inf),
            math.nextafter(value, math.inf),
            float(single),
            float(np.nextafter(single, np.float32(-np.inf))),
            float(np.nextafter(single, np.float32(np.inf))),
            # Half way between two float32: the rounding goes to the even one.
            (float(single) + float(np.nextafter(single, np.float32(np.inf)))) / 2,
        ]
    return tuple(value for value in near if math.isfinite(value)) or (0.0,)


def _rows(name: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    number = (
        st.none()
        | st.just(math.nan)
        | st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1e-45, LARGEST, -LARGEST, 2.0**24 + 1])
        | st.sampled_from(_borders(name))
        | st.floats(0, 120)
        | st.floats(-LARGEST, LARGEST)
        | st.integers(-(2**53), 2**53)
    )
    row = st.fixed_dictionaries(
        {
            "contract": st.sampled_from(
                ["Month-to-month", "One year", "Two year", "Weekly", "", "ü"]
            )
            | st.none(),
            "internet": st.sampled_from(["DSL", "Fiber optic", "No", "Satellite"]) | st.none(),
            "payment": st.sampled_from(["Electronic check", "Mailed check"]) | st.none(),
            "senior": st.none() | st.booleans(),
            **dict.fromkeys(NUMBERS, number),
        }
    )
    return st.lists(row, min_size=1, max_size=ROWS_AT_ONCE)


_TYPES = pa.schema(
    [
        *((name, pa.string()) for name in ("contract", "internet", "payment")),
        ("senior", pa.bool_()),
        *((name, pa.float64()) for name in NUMBERS),
    ]
)


def _in_batches(
    predictor: Predictor, table: pa.Table, schema: ModelSchema
) -> npt.NDArray[np.float64]:
    nameless = schema.model_copy(update={"id_column": ""})
    scored = score_batches(predictor, stream_typed(TableSource(table), nameless))
    return np.concatenate([batch.column("probability").to_numpy() for batch in scored])


@pytest.mark.parametrize(("name", "method"), KINDS)
def test_all_paths_agree_on_any_rows(name: str, method: str) -> None:
    model, predictor = fitted(name, method), _predictor(name, method)

    @settings(max_examples=8, deadline=None)
    @given(_rows(name))
    def check(rows: list[dict[str, Any]]) -> None:
        table = pa.Table.from_pylist(rows, schema=_TYPES)
        with np.errstate(over="ignore", invalid="ignore"):  # its test for infinity overflows
            expected = model.pipeline.predict_proba(model_frame(table, model.schema))[:, 1]
        X = predictor.encoder.encode_rows(rows)
        repeats = SKLEARN_FROM_ROWS // len(rows) + 1
        ours = {
            "one by one": [predictor.predict_proba_one(row) for row in rows],
            "few rows": predictor.predict_proba(rows),
            "compiled": predictor.compiled.predict(X),
            "many rows": predictor.predict_encoded(np.tile(X, (repeats, 1)))[: len(rows)],
            "a batch": _in_batches(predictor, table, model.schema),
            "many batches": _in_batches(
                predictor, pa.concat_tables([table] * repeats), model.schema
            )[-len(rows) :],
        }
        for path, p in ours.items():
            assert np.abs(np.asarray(p) - expected).max() <= 1e-12, path

    check()


@pytest.mark.parametrize(("name", "method"), KINDS)
@pytest.mark.parametrize("value", [LARGEST * 1.001, 1e300, -1e39, 10**400])
def test_what_no_model_can_hold_is_refused_on_every_path(
    name: str, method: str, value: float
) -> None:
    """Beyond float32 scikit-learn's trees refuse a number; so do we, with its column."""
    predictor = _predictor(name, method)
    row: dict[str, Any] = {**dict.fromkeys(predictor.schema.names()), "tenure": value}
    with pytest.raises(errors.BadValue, match="too large") as caught:
        predictor.predict_proba_one(row)
    assert caught.value.where["column"] == "tenure"
    if value > 1e308:
        return
    for n in (1, 2 * SKLEARN_FROM_ROWS):
        table = pa.Table.from_pylist([row] * n, schema=_TYPES)
        with pytest.raises(errors.BadValue, match="too large") as caught:
            _in_batches(predictor, table, predictor.schema)
        assert caught.value.where["column"] == "tenure"
