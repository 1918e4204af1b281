"""All ways to a probability say the same, and reasons add up to it."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit import errors
from churnkit.data.frames import model_frame
from churnkit.data.scoring_input import TypedBatch, stream_typed
from churnkit.data.simulate import snapshot
from churnkit.inference.batch import ScoreNotes, score_batches
from churnkit.inference.compile import CompiledModel, compile_pipeline
from churnkit.inference.encoder import RowEncoder
from churnkit.inference.parity import parity, parity_frame, parity_rows
from churnkit.inference.predictor import Predictor
from churnkit.settings.models import ServingTable
from churnkit.usecases.tables import TableSource
from tests.models import KINDS, LINES, fitted

TREES = ["gradient_boosting", "hist_gradient_boosting", "random_forest"]


def _compiled(name: str, method: str = "sigmoid") -> CompiledModel:
    model = fitted(name, method)
    return compile_pipeline(model.pipeline, model.schema, model.X)


def _predictor(name: str, method: str = "sigmoid") -> Predictor:
    model = fitted(name, method)
    return Predictor(
        CompiledModel.from_files(_compiled(name, method).to_files()),
        model.schema,
        pipeline=lambda: model.pipeline,
        version="v1",
        serving=ServingTable(),
        base_rate=float(model.left.mean()),
    )


@pytest.mark.parametrize(("name", "method"), KINDS)
def test_every_path_agrees_to_1e_12(name: str, method: str) -> None:
    model = fitted(name, method)
    compiled = CompiledModel.from_files(_compiled(name, method).to_files())
    assert parity_frame(compiled, model.schema, model.pipeline, model.frame) <= 1e-12
    later = model_frame(snapshot(800, seed=9, missing_share=0.3), model.schema)
    assert parity_frame(compiled, model.schema, model.pipeline, later) <= 1e-12
    made = parity_rows(model.schema, n=1_500, seed=4)
    assert parity(compiled, model.pipeline, made) <= 1e-12
    predictor = _predictor(name, method)
    expected = model.pipeline.predict_proba(model.frame)[:, 1]
    for n in (1, 7, 100, len(model.X)):
        assert np.abs(predictor.predict_encoded(model.X[:n]) - expected[:n]).max() <= 1e-12


@pytest.mark.parametrize("name", ["logistic_regression", *TREES])
def test_a_difference_is_seen(name: str) -> None:
    """The gate would notice: a model that is a little off does not pass."""
    model, other = fitted(name), fitted(name, "isotonic")
    assert parity(_compiled(name), other.pipeline, model.X[:200]) > 1e-4


texts = st.sampled_from(["Month-to-month", "One year", "Two year", "Weekly", ""]) | st.none()
numbers = st.none() | st.just(math.nan) | st.floats(-1e6, 1e6) | st.integers(-10, 200)
rows = st.fixed_dictionaries(
    {
        "contract": texts,
        "internet": st.sampled_from(["DSL", "Fiber optic", "No", "Satellite"]) | st.none(),
        "payment": st.sampled_from(["Electronic check", "Mailed check"]) | st.none(),
        "tenure": numbers,
        "monthly_charge": numbers,
        "support_calls": numbers,
        "senior": st.none() | st.booleans(),
    }
)


@pytest.mark.parametrize("name", ["logistic_regression", *LINES, "hist_gradient_boosting"])
@settings(max_examples=60, deadline=None)
@given(row=rows)
def test_any_row_gets_scikit_learns_probability(name: str, row: dict[str, Any]) -> None:
    model = fitted(name)
    frame = model_frame(pa.Table.from_pylist([row], schema=_types()), model.schema)
    expected = model.pipeline.predict_proba(frame)[0, 1]
    assert abs(_shared(name).predict_proba_one(row) - expected) <= 1e-12


def _types() -> pa.Schema:
    kinds = {"contract": pa.string(), "internet": pa.string(), "payment": pa.string()}
    kinds |= dict.fromkeys(["tenure", "monthly_charge", "support_calls"], pa.float64())
    return pa.schema([*kinds.items(), ("senior", pa.bool_())])


_cache: dict[str, Predictor] = {}


def _shared(name: str) -> Predictor:
    if name not in _cache:
        _cache[name] = _predictor(name)
    return _cache[name]


def test_threads_share_a_predictor() -> None:
    predictor = _shared("random_forest")
    X = fitted("random_forest").X[:200]
    expected = [predictor.compiled.predict_one(x) for x in X]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(5):
            got = [predictor.compiled.predict_one(x) for x in X]
            if got != expected:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- what a row may hold -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tenure": "12"}, errors.BadValue),
        ({"tenure": math.inf}, errors.BadValue),
        ({"senior": 2}, errors.BadValue),
        ({"contract": 1.5}, errors.BadValue),
    ],
)
def test_a_value_of_another_type_names_its_column(
    change: dict[str, Any], expected: type[Exception]
) -> None:
    row = dict.fromkeys(fitted("random_forest").schema.names()) | change
    with pytest.raises(expected) as caught:
        _shared("random_forest").predict_proba_one(row)
    assert caught.value.where["column"] == next(iter(change))  # type: ignore[attr-defined]  # ours


def test_an_absent_column_is_not_a_missing_value() -> None:
    schema = fitted("random_forest").schema
    row = {name: None for name in schema.names() if name != "tenure"}
    with pytest.raises(errors.ColumnMissing, match="tenure"):
        RowEncoder(schema).encode(row)


def test_batches_report_new_categories() -> None:
    predictor = _shared("hist_gradient_boosting")
    table = snapshot(50, seed=5, missing_share=0)
    columns = {
        name: table[name].combine_chunks()
        if pa.types.is_string(table[name].type)
        else table[name]
        .cast(pa.int8() if name == "senior" else pa.float64())
        .cast(pa.float64())
        .combine_chunks()
        for name in predictor.schema.names()
    }
    columns["contract"] = pa.array(["Weekly"] * 30 + ["Two year"] * 20)
    batch = TypedBatch(first_row=0, ids=table["customer_id"].combine_chunks(), columns=columns)
    notes = ScoreNotes()
    (scored,) = score_batches(predictor, [batch], reasons=2, notes=notes)
    assert notes.unseen == {"contract": {"Weekly": 30}}
    assert scored.schema.names[:4] == ["customer_id", "probability", "risk_band", "model_version"]
    assert scored.schema.names[4:] == [
        "reason_1",
        "reason_1_value",
        "reason_1_points",
        "reason_2",
        "reason_2_value",
        "reason_2_points",
    ]
    for row in scored.to_pylist():
        assert row["risk_band"] == ServingTable().risk_band(row["probability"])
        assert abs(row["reason_1_points"]) >= abs(row["reason_2_points"])


@pytest.mark.parametrize("name", ["logistic_regression", *TREES])
def test_small_batches_beside_others_take_the_compiled_path(name: str) -> None:
    """The rest of a file is a batch of few rows, predicted in a thread of a pool."""
    predictor = _predictor(name)
    table = snapshot(1_400, seed=6, missing_share=0.1)
    schema = predictor.schema.model_copy(update={"id_column": "customer_id"})
    cut = [table.slice(0, 700), table.slice(700, 697), table.slice(1_397, 3)]
    parts = [batch for part in cut for batch in part.combine_chunks().to_batches()]
    scored = score_batches(
        predictor, stream_typed(TableSource(pa.Table.from_batches(parts)), schema)
    )
    p = np.concatenate([batch.column("probability").to_numpy() for batch in scored])
    expected = fitted(name).pipeline.predict_proba(model_frame(table, schema))[:, 1]
    assert np.abs(p - expected).max() <= 1e-12


# --- reasons ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "method"), KINDS)
def test_reasons_add_up_and_signs_never_flip(name: str, method: str) -> None:
    predictor = _predictor(name, method)
    compiled = predictor.compiled
    table = snapshot(120, seed=11, missing_share=0.2)
    for row in table.to_pylist():
        told = predictor.explain(row, customer_id="c")
        total = told.base_probability + sum(reason.points for reason in told.reasons)
        assert total == pytest.approx(told.probability, abs=1e-6)
        x = predictor.encoder.encode(row)
        phi = dict(zip(predictor.schema.names(), compiled.engine.contributions(x), strict=True))
        moved = compiled.margin(x[None, :])[0] - compiled.engine.base_margin
        assert sum(phi.values()) == pytest.approx(moved, abs=1e-9)
        for reason in told.reasons:
            assert reason.points * phi[reason.column] >= 0


@pytest.mark.parametrize("name", TREES)
def test_shapley_values_are_those_of_the_reference_implementation(name: str) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        model = fitted(name)
        inner = model.pipeline.calibrated_classifiers_[0].estimator
        X = model.X[~np.isnan(model.X).any(axis=1)][:60]
        explainer = shap.TreeExplainer(
            inner.named_steps["classifier"], feature_perturbation="tree_path_dependent"
        )
        values = np.asarray(explainer.shap_values(X))
    theirs = values[..., 1] if values.ndim == 3 else values
    ours = np.array([_compiled(name).engine.contributions(x) for x in X[:1]])
    compiled = _compiled(name)
    ours = np.array([compiled.engine.contributions(x) for x in X])
    assert np.abs(ours - theirs).max() <= 1e-6


def _brute(value: Any, n: int) -> np.ndarray[Any, Any]:
    """Shapley values by their definition: all subsets."""
    phi = np.zeros(n)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            weight = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for subset in itertools.combinations(others, size):
                phi[i] += weight * (value({*subset, i}) - value(set(subset)))
    return phi


def test_points_agree_with_shapley_values_of_the_probability() -> None:
    """Points come from the margin; how near they are to the probability's own is measured here.

    Budget: mean rank correlation above 0.95 and mean absolute difference below 1.5 points on 12
    customers of a linear model with 7 columns, whose margin's game is known exactly.
    """
    predictor = _shared("logistic_regression")
    model = fitted("logistic_regression")
    compiled, names = predictor.compiled, predictor.schema.names()
    background = model.X[:120]
    correlations, differences = [], []
    for x in model.X[200:212]:

        def value(known: set[int], x: np.ndarray[Any, Any] = x) -> float:
            mixed = background.copy()
            for j in known:
                mixed[:, j] = x[j]
            return float(compiled.predict(mixed).mean())

        exact = _brute(value, len(names))
        order, points = predictor.reasons_encoded(x[None, :], len(names))
        ours = np.empty(len(names))
        ours[order[0]] = points[0]
        ranks = [np.argsort(np.argsort(np.abs(part))) for part in (exact, ours)]
        correlations.append(np.corrcoef(*ranks)[0, 1])
        differences.append(np.abs(exact - ours).mean())
    assert np.mean(correlations) > 0.9
    assert np.mean(differences) < 0.02


# --- files and imports -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["logistic_regression", "gradient_boosting"])
def test_damaged_files_are_refused(name: str) -> None:
    files = _compiled(name).to_files()
    for part, content in files.items():
        for bad in (content[: len(content) // 2], b"", content[:-1] + bytes([content[-1] ^ 0x55])):
            with pytest.raises(errors.BundleError):
                CompiledModel.from_files({**files, part: bad})
        with pytest.raises(errors.BundleError):
            CompiledModel.from_files({k: v for k, v in files.items() if k != part})


def test_one_row_needs_neither_pandas_nor_scikit_learn(tmp_path: Any) -> None:
    model = fitted("gradient_boosting")
    (tmp_path / "schema.json").write_text(model.schema.model_dump_json(), encoding="utf-8")
    for name, content in _compiled("gradient_boosting").to_files().items():
        (tmp_path / name).write_bytes(content)
    row = dict.fromkeys(model.schema.names())
    code = """
import json, sys
from pathlib import Path
from churnkit.domain.columns import ModelSchema
from churnkit.inference.compile import CompiledModel
from churnkit.inference.predictor import Predictor
from churnkit.settings.models import ServingTable
from churnkit.usecases.tables import TableSource
folder = Path(sys.argv[1])
schema = ModelSchema.model_validate_json((folder / "schema.json").read_bytes())
files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "schema.json"}
predictor = Predictor(CompiledModel.from_files(files), schema, version="v1",
    serving=ServingTable(), base_rate=0.3)
row = json.loads(sys.argv[2])
predictor.predict_proba_one(row)
predictor.explain(row, customer_id="c")
print([name for name in ("pandas", "sklearn", "mlflow", "shap") if name in sys.modules])
"""
    command = [sys.executable, "-c", code, str(tmp_path), json.dumps(row)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
