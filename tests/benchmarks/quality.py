"""How good churnkit's models are, against plain scikit-learn pipelines on the same folds.

Run it with ``python tests/benchmarks/quality.py [--data DIR] [--seconds 20] [--folds 5]``. Telco
is shipped; the Iranian and BankChurners sets are read from DIR (without it: from ``shared/data``
beside the repository, or above it). What could not be shown is said at the end, and the exit code
is 1 where a limit was missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from churnkit.data.frames import model_frame
from churnkit.data.groups import customer_groups
from churnkit.data.importing import import_table
from churnkit.data.leakage import find_leaks
from churnkit.data.reading import read_arrow
from churnkit.data.roles import guess_roles
from churnkit.data.samples.locate import telco_path
from churnkit.data.sources import open_source
from churnkit.data.target import labels
from churnkit.measures.bootstrap import chance_ece, expected_calibration_error
from churnkit.settings.models import CANDIDATES
from churnkit.settings.sources import ColumnsTable
from churnkit.training.candidate import find_candidates
from churnkit.training.fit import encode_training, search_and_fit
from churnkit.training.schema import fit_schema

Floats = npt.NDArray[np.float64]

AUC_MARGIN = 0.003
BRIER_MARGIN = 0.001
ECE_MARGIN = 0.015


@dataclass(frozen=True)
class Data:
    """A data set without its leaking columns."""

    name: str
    table: pa.Table
    columns: ColumnsTable
    used: tuple[str, ...]


def shared_data() -> Path:
    """The nearest folder ``shared/data`` above this file."""
    above = Path(__file__).resolve().parents[3:]
    found = (folder / "shared" / "data" for folder in above)
    return next((folder for folder in found if folder.is_dir()), above[0] / "shared" / "data")


def data_sets(folder: Path) -> Iterator[Data | str]:
    """Those that are there; of the others, the names."""
    files = {
        "Telco": telco_path(),
        "Iranian": folder / "iranian_churn.csv",
        "BankChurners": folder / "bankchurners.csv",
    }
    for name, path in files.items():
        if not path.exists():
            print(f"{name}: there is no {path}; left out.")
            yield name
            continue
        with tempfile.TemporaryDirectory() as work:
            database = Path(work) / "data.duckdb"
            schema = import_table(open_source(path), database)
            table = read_arrow(database)
        roles = guess_roles(table, schema)
        target = next(guess for guess in roles if guess.role == "target")
        columns = ColumnsTable(
            target=target.column,
            positive=target.positive,
            id=next((guess.column for guess in roles if guess.role == "id"), ""),
            ignore=tuple(guess.column for guess in roles if guess.role == "ignore"),
        )
        leaks = {leak.column for leak in find_leaks(table, schema, columns) if leak.blocked}
        if leaks:
            print(f"{name}: left out as leaking: {', '.join(sorted(leaks))}")
        aside = {columns.target, columns.id, *columns.ignore, *leaks}
        columns = columns.model_copy(update={"ignore": tuple({*columns.ignore, *leaks})})
        used = tuple(column for column in table.column_names if column not in aside)
        yield Data(name, table, columns, used)


def plain_pipelines(frame: Any) -> dict[str, Callable[[], Pipeline]]:
    """What one writes without thinking long."""
    numbers = [name for name in frame.columns if frame[name].dtype.kind == "f"]
    texts = [name for name in frame.columns if name not in numbers]

    def made(classifier: Any) -> Pipeline:
        scaled = Pipeline([("impute", SimpleImputer()), ("scale", StandardScaler())])
        one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        parts = ColumnTransformer([("numbers", scaled, numbers), ("texts", one_hot, texts)])
        return Pipeline([("columns", parts), ("classifier", classifier)])

    return {
        "logistic regression": lambda: made(LogisticRegression(max_iter=2000)),
        "random forest": lambda: made(RandomForestClassifier(300, random_state=0, n_jobs=2)),
        "gradient boosting": lambda: made(GradientBoostingClassifier(random_state=0)),
        "hist gradient boosting": lambda: made(HistGradientBoostingClassifier(random_state=0)),
    }


def compare(data: Data, *, seconds: float, n_folds: int) -> dict[str, Floats]:
    """Out-of-fold probabilities of each contender; the folds' numbers under ``fold``."""
    left = labels(data.table, data.columns.target, data.columns.positive)
    groups, _ = customer_groups(data.table, data.columns)
    outer = StratifiedGroupKFold(n_folds, shuffle=True, random_state=1)
    told: dict[str, Floats] = {"fold": np.empty(len(left))}
    for number, (train, test) in enumerate(outer.split(groups, left, groups)):
        told["fold"][test] = number
        schema = fit_schema(data.table, data.used, train, data.columns)
        train_frame = model_frame(data.table.take(pa.array(train)), schema)
        test_frame = model_frame(data.table.take(pa.array(test)), schema)
        for name, make in plain_pipelines(train_frame).items():
            model = make().fit(train_frame, left[train])
            told.setdefault(name, np.empty(len(left)))[test] = model.predict_proba(test_frame)[:, 1]
        inner = StratifiedGroupKFold(5, shuffle=True, random_state=number)
        folds = list(inner.split(groups[train], left[train], groups[train]))
        encoded = encode_training(train_frame, left[train], schema, folds, seed=number)
        ours, found = search_and_fit(encoded, find_candidates(CANDIDATES), budget_seconds=seconds)
        told.setdefault("churnkit", np.empty(len(left)))[test] = ours.predict_proba(test_frame)[
            :, 1
        ]
        best = found.trials[found.chosen]
        print(f"{data.name} fold {number + 1}: {len(found.trials)} trials, {best.candidate}")
    return told


def judge(data: Data, told: dict[str, Floats], console: Console) -> bool:
    """Print the table; whether all three lines hold."""
    left = labels(data.table, data.columns.target, data.columns.positive)
    fold = told.pop("fold")
    view = Table("model", "ROC AUC", "Brier", "ECE (pooled)", title=data.name)
    whole = np.ones((1, len(left)))
    auc, brier, ece = {}, {}, {}
    for name, p in told.items():
        parts = [fold == k for k in np.unique(fold)]
        auc[name] = float(np.mean([roc_auc_score(left[here], p[here]) for here in parts]))
        brier[name] = float(np.mean([brier_score_loss(left[here], p[here]) for here in parts]))
        ece[name] = float(expected_calibration_error(left, p)(whole)[0])
        view.add_row(name, f"{auc[name]:.4f}", f"{brier[name]:.4f}", f"{ece[name]:.4f}")
    console.print(view)
    plain = [name for name in told if name != "churnkit"]
    chance = chance_ece(told["churnkit"])
    lines = (
        ("AUC", auc["churnkit"] - max(auc[n] for n in plain), -AUC_MARGIN, 1),
        ("Brier", brier["churnkit"] - min(brier[n] for n in plain), BRIER_MARGIN, -1),
        (f"ECE above chance ({chance:.4f})", ece["churnkit"] - chance, ECE_MARGIN, -1),
    )
    held = True
    for what, value, limit, sign in lines:
        fine = sign * (value - limit) >= 0
        held &= fine
        console.print(f"  {'holds' if fine else 'FAILS'}: {what} {value:+.4f} (limit {limit:+.4f})")
    return held


def main() -> None:
    """Print a table for each data set, and what they show together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=shared_data())
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--folds", type=int, default=5)
    arguments = parser.parse_args()
    console = Console(width=100)
    verdicts: dict[str, bool] = {}
    absent: list[str] = []
    for data in data_sets(arguments.data):
        if isinstance(data, str):
            absent.append(data)
            continue
        told = compare(data, seconds=arguments.seconds, n_folds=arguments.folds)
        verdicts[data.name] = judge(data, told, console)
    for name, held in verdicts.items():
        console.print(f"{name}: {'all limits hold' if held else 'A LIMIT WAS MISSED'}.")
    if absent:
        console.print(
            f"Not shown: {', '.join(absent)}. Give the folder that holds them with --data DIR."
        )
    sys.exit(0 if all(verdicts.values()) else 1)


if __name__ == "__main__":
    main()
