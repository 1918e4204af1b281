"""How fast predictions are, against scikit-learn in the same run.

Run it with ``python tests/benchmarks/inference.py [--rows 1000000]``.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from rich.console import Console
from rich.table import Table

from churnkit.data.frames import model_frame
from churnkit.data.importing import import_table
from churnkit.data.reading import read_arrow
from churnkit.data.samples.locate import telco_path
from churnkit.data.simulate import snapshot
from churnkit.data.sources import open_source
from churnkit.data.split import fold_indices, split_rows
from churnkit.data.target import labels
from churnkit.domain.columns import ModelSchema
from churnkit.inference.compile import compile_pipeline
from churnkit.inference.predictor import Predictor
from churnkit.settings.models import ServingTable
from churnkit.settings.sources import ColumnsTable
from churnkit.training.candidate import all_candidates
from churnkit.training.fit import encode_training, refit
from churnkit.training.schema import fit_schema

SIZES = {
    "gradient_boosting": {"n_estimators": 200},
    "hist_gradient_boosting": {"max_iter": 200},
    "random_forest": {"n_estimators": 200},
}
AIMS = {"gradient_boosting": 500, "hist_gradient_boosting": 500, "random_forest": 200}


def trained(
    table: pa.Table, columns: ColumnsTable, name: str
) -> tuple[Any, ModelSchema, np.ndarray[Any, Any], Predictor]:
    """A calibrated model of one candidate, and its predictor."""
    split = split_rows(table, columns, test_share=0.25, seed=0)
    left = labels(table, columns.target, columns.positive)[split.train]
    used = tuple(n for n in table.column_names if n not in (columns.target, columns.id))
    schema = fit_schema(table, used, split.train, columns)
    frame = model_frame(table.take(pa.array(split.train)), schema)
    folds = fold_indices(split, left, n_folds=3, seed=0)
    encoded = encode_training(frame, left, schema, folds, seed=0)
    candidate = all_candidates()[name]
    params = {**candidate.defaults, **SIZES.get(name, {})}
    pipeline = refit(encoded, candidate, params, calibration="sigmoid")
    X = encoded.training.X
    predictor = Predictor(
        compile_pipeline(pipeline, schema, X),
        schema,
        pipeline=lambda: pipeline,
        version="v1",
        serving=ServingTable(),
        base_rate=float(left.mean()),
    )
    return pipeline, schema, X, predictor


def paired(ours: Callable[[], object], theirs: Callable[[], object], n: int) -> tuple[float, float]:
    """Median seconds of each, measured in turns."""
    ours(), theirs()
    a, b = [], []
    for _ in range(n):
        start = time.perf_counter()
        for _ in range(50):
            ours()
        a.append((time.perf_counter() - start) / 50)
        start = time.perf_counter()
        theirs()
        b.append(time.perf_counter() - start)
    return statistics.median(a), statistics.median(b)


def one_row(console: Console) -> None:
    """One customer: a dict in, a calibrated probability out."""
    with tempfile.TemporaryDirectory() as work:
        database = Path(work) / "telco.duckdb"
        import_table(open_source(telco_path()), database)
        table = read_arrow(database)
    columns = ColumnsTable(target="Churn", positive="Yes", id="customerID")
    row = table.slice(5, 1).to_pylist()[0]
    view = Table(
        "model", "scikit-learn ms", "churnkit µs", "ratio", "aim", "with 3 reasons µs",
        title="One row of Telco (19 columns)",
    )  # fmt: skip
    for name in SIZES:
        pipeline, schema, _, predictor = trained(table, columns, name)
        frame = model_frame(table.slice(5, 1), schema)
        same = abs(predictor.predict_proba_one(row) - pipeline.predict_proba(frame)[0, 1])
        assert same <= 1e-12, same
        ours, theirs = paired(
            lambda p=predictor: p.predict_proba_one(row),
            lambda m=pipeline, f=frame: m.predict_proba(f),
            40,
        )
        told, _ = paired(lambda p=predictor: p.explain(row, customer_id="c", k=3), lambda: None, 10)
        view.add_row(
            name,
            f"{theirs * 1e3:.2f}",
            f"{ours * 1e6:.1f}",
            f"{theirs / ours:.0f} x",
            f"{AIMS[name]} x",
            f"{told * 1e6:.0f}",
        )
    console.print(view)


_CHILD = """
import json, resource, sys, time
from pathlib import Path
import churnkit as ck
project = ck.open_project(sys.argv[1])
ck.score(project, sys.argv[4], sys.argv[3], reasons=0)  # imports, as scikit-learn's are done, too
start = time.perf_counter()
ck.score(project, sys.argv[2], sys.argv[3], reasons=0)
took = time.perf_counter() - start
print(json.dumps({"seconds": took, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def many_rows(console: Console, rows: int) -> None:
    """Parquet to Parquet, against scikit-learn on a matrix that is ready in memory."""
    import churnkit as ck
    from churnkit.usecases.models.serving import load_predictor
    from churnkit.usecases.tables import typed

    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        parquet.write_table(snapshot(20_000, seed=1), folder / "train.parquet")
        parquet.write_table(snapshot(rows, seed=2), folder / "many.parquet")
        view = Table(
            "model", "scikit-learn s", "churnkit s", "ratio", "aim", "peak memory MB",
            title=f"{rows:,} rows, Parquet to Parquet",
        )  # fmt: skip
        for name in ("hist_gradient_boosting", "gradient_boosting"):
            project = ck.create_project(folder / name, folder / "train.parquet").project
            training = project.settings.training.model_copy(update={"candidates": (name,)})
            project.settings = project.settings.model_copy(update={"training": training})
            with project:
                ck.train(project, budget_seconds=30)  # one trial, whatever else the machine does
                predictor, bundle = load_predictor(project)
                table = parquet.read_table(folder / "many.parquet")
                X = predictor.encoder.encode_arrow(typed(table, bundle.schema))
                tail = bundle.load_pipeline().calibrated_classifiers_[0].estimator[1:]
            theirs, ours = [], []
            peak = 0
            for _ in range(3):
                start = time.perf_counter()
                tail.predict_proba(X)
                theirs.append(time.perf_counter() - start)
                output = folder / "scores.parquet"
                files = (folder / "many.parquet", output, folder / "train.parquet")
                child = [sys.executable, "-c", _CHILD, folder / name, *files]
                ran = subprocess.run(
                    child,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                told = json.loads(ran.stdout)
                ours.append(told["seconds"])
                peak = max(peak, told["rss"])
            a, b = statistics.median(theirs), statistics.median(ours)
            view.add_row(
                name, f"{a:.2f}", f"{b:.2f}", f"{a / b:.2f} x", "0.8 x", f"{peak / 1024:,.0f}"
            )
        console.print(view)


def crossing(console: Console) -> None:
    """From how many rows on scikit-learn's vectorised trees win."""
    table = snapshot(20_000, seed=1)
    columns = ColumnsTable(target="churn", positive="Yes", id="customer_id")
    view = Table("rows", *SIZES, title="Compiled against scikit-learn, by number of rows (ratio)")
    models = {name: trained(table, columns, name) for name in SIZES}
    for n in (8, 32, 128, 512, 4_096, 15_000):
        ratios = []
        for pipeline, _, X, predictor in models.values():
            tail = pipeline.calibrated_classifiers_[0].estimator[1:]
            few = np.ascontiguousarray(X[:n])
            ours, theirs = [], []
            for _ in range(7):
                start = time.perf_counter()
                predictor.compiled.predict(few)
                ours.append(time.perf_counter() - start)
                start = time.perf_counter()
                tail.predict_proba(few)
                theirs.append(time.perf_counter() - start)
            ratios.append(f"{statistics.median(theirs) / statistics.median(ours):.2f} x")
        view.add_row(f"{n:,}", *ratios)
    console.print(view)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    console = Console(width=110)
    one_row(console)
    crossing(console)
    many_rows(console, arguments.rows)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"(this process itself: {own:,.0f} MB)")


if __name__ == "__main__":
    main()
