"""Models over time on real logs: learnt at earlier dates, judged at a later one.

    python tests/benchmarks/panels.py [--budget SECONDS] [--data FOLDER] [--rehearse]

CDNOW is shipped; Online Retail is looked for in the data folder, and said to be missing if it is
not there. Beside churnkit's own model stand, on the same customers and labels and with intervals
from the same resampled customers: the days since the last purchase alone, a plain logistic
regression on recency, frequency and money, and BG/NBD. The last line asks how much the log holds
at all: models that are told the test date's own labels, cross-validated there.

With ``--rehearse`` other dates are used: earlier ones with shorter horizons, whose labels were all
decided before the test date of the aims. What churnkit proposes and prefers was chosen on those,
and never on the test dates of the aims.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import churnkit as ck  # noqa: E402 - from a checkout, not an installation
from churnkit.data.reading import read_arrow  # noqa: E402
from churnkit.data.samples.locate import cdnow_path  # noqa: E402
from churnkit.domain.evaluation import Estimate  # noqa: E402
from churnkit.measures.bootstrap import Figure, estimates, mean_of, roc_auc  # noqa: E402
from churnkit.settings.file import write_settings  # noqa: E402
from churnkit.settings.sources import BUILT_COLUMNS  # noqa: E402
from tests.benchmarks.bgnbd import BetaGeometric  # noqa: E402

RETAIL = "online_retail.parquet"
ROUNDS = 1_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A log, its dates, and what was asked for.

    ``stem`` begins the names of the figures about purchases. ``aim`` is (AUC at least, Brier at
    most), None where there is none; ``told`` are figures of others on this case.
    """

    name: str
    log: Path
    options: ck.LogOptions
    dates: tuple[str, ...]
    stem: str
    money: str
    aim: tuple[float | None, float | None] = (None, None)
    told: str = ""


def weekly(first: str, last: str) -> Iterator[str]:
    """Every week between two days. A log of few customers is seen at more moments of theirs."""
    day, end = date.fromisoformat(first), date.fromisoformat(last)
    while day <= end:
        yield day.isoformat()
        day += timedelta(days=7)


def cases(folder: Path, work: Path) -> Iterator[Case]:
    yield Case(
        name="CDNOW, 180 days",
        log=cdnow_path(),
        options=ck.LogOptions(horizon_days=180),
        dates=("1997-04-01", "1997-05-01", "1997-06-01", "1997-07-01", "1998-01-01"),
        stem="",
        money="dollar_value_sum_ever",
        aim=(0.81, 0.130),
        told="BG/NBD 0.798, recency 0.796, logistic regression 0.808 (184 days)",
    )
    retail = folder / RETAIL
    if not retail.exists():
        print(f"Online Retail was not run: {RETAIL} is not in {folder}")
        return
    log = work / "retail.parquet"
    # One event per line of an invoice that sold something; cancellations have their own type.
    duckdb.execute(
        f"""copy (select CustomerID::bigint::varchar as customer_id, InvoiceDate as event_time,
        case when InvoiceNo::varchar like 'C%' then 'cancellation' else 'purchase' end
        as event_type, round(Quantity * UnitPrice, 2) as amount, Quantity as quantity,
        InvoiceNo::varchar as invoice, StockCode as product
        from '{retail}' where CustomerID is not null) to '{log}' (format parquet)"""
    )
    yield Case(
        name="Online Retail, 90 days",
        log=log,
        options=ck.LogOptions(
            horizon_days=90, zone="Europe/London", activity=("purchase",),
            categories=("invoice", "product"),
        ),
        dates=(*weekly("2011-03-12", "2011-06-11"), "2011-09-10"),
        stem="purchase_",
        money="amount_sum_ever",
        aim=(0.745, None),
        told="logistic regression 0.738, recency 0.683",
    )  # fmt: skip


REHEARSALS = {
    "CDNOW": (
        (60, ("1997-04-01", "1997-05-01", "1997-06-01", "1997-08-01")),
        (90, ("1997-04-01", "1997-05-01", "1997-06-01", "1997-07-01", "1997-10-01")),
        (120, ("1997-04-01", "1997-05-01", "1997-09-01")),
    ),
    "Online Retail": (
        (45, (*weekly("2011-02-10", "2011-05-12"), "2011-07-11")),
        (60, (*weekly("2011-02-10", "2011-04-12"), "2011-06-11")),
        (90, (*weekly("2011-02-10", "2011-03-12"), "2011-06-11")),
    ),
}
"""Horizon in days and dates, the last one for the test."""


def rehearsals(case: Case) -> Iterator[Case]:
    """The same log at earlier dates; no label of the aim's test date is looked at."""
    name = case.name.split(",")[0]
    for horizon, dates in REHEARSALS[name]:
        yield replace(
            case,
            name=f"{name}, {horizon} days, rehearsed at {dates[-1]}",
            options=replace(case.options, horizon_days=horizon),
            dates=dates,
            aim=(None, None),
            told="",
        )


def run(case: Case, work: Path, budget: float) -> None:
    folder = work / "".join(letter if letter.isalnum() else "-" for letter in case.name.lower())
    with ck.create_event_project(folder, case.log, case.options).project as project:
        churn = project.settings.churn.model_copy(update={"as_of": case.dates})
        project.settings = project.settings.model_copy(update={"churn": churn})
        write_settings(project.folder, project.settings)
        trained = ck.train(project, budget_seconds=budget)
        table = read_arrow(project.training_database)
    record = trained.record
    assert record.test_from is not None
    dates = np.array([one.timestamp() for one in table["as_of"].to_pylist()])
    late = dates >= record.test_from.timestamp()
    left = table["churned"].to_numpy(zero_copy_only=False).astype(bool)

    def column(name: str) -> Floats:
        found: Floats = table[name].to_numpy(zero_copy_only=False).astype(float)
        return found

    recency, age = (column(f"{case.stem}{name}") for name in ("recency_days", "since_first_days"))
    x = column(f"{case.stem}active_days_ever") - 1
    X = np.column_stack([recency, x, column(case.money)])
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[~late], left[~late])
    # It needs no labels: it is fitted on what the customers to judge did until the test date.
    bought = BetaGeometric(x[late], (age - recency)[late], age[late])
    told = {
        "recency alone": (recency[late], False),
        "plain recency, frequency, money": (plain.predict_proba(X[late])[:, 1], True),
        "BG/NBD": (
            bought.stays_away(
                x[late],
                (age - recency)[late],
                age[late],
                days=float(case.options.horizon_days or 0),
            ),
            True,
        ),
    }
    auc, brier = (trained.version.metrics[name] for name in ("roc_auc", "brier"))
    print(f"\n{case.name}: {late.sum():,} customers at {case.dates[-1]}, {left[late].mean():.1%} "
          f"left (where it learnt: {left[~late].mean():.1%})")  # fmt: skip
    print(f"  {'':34}{'ROC AUC':>24}{'Brier':>24}")
    tried = f"churnkit ({record.best.candidate}, {len(record.trials)} trials)"
    print(f"  {tried:34}{auc!s:>24}{brier!s:>24}")
    for name, (p, is_probability) in told.items():
        found = _figures(left[late], p, is_probability)
        print(f"  {name:34}{found['roc_auc']!s:>24}{found.get('brier', '')!s:>24}")
    everything = np.column_stack([column(name) for name in _numbers(table)])
    found = _figures(left[late], _told_the_answers(everything[late], left[late]), True)
    print(
        f"  {'told the answers, cross-validated':34}{found['roc_auc']!s:>24}{found['brier']!s:>24}"
    )
    if case.told:
        print(f"  told by others: {case.told}")
    says = []
    if case.aim[0] is not None:
        says.append(f"AUC >= {case.aim[0]}: {_met(auc.value - case.aim[0])}")
    if case.aim[1] is not None:
        says.append(f"Brier <= {case.aim[1]}: {_met(case.aim[1] - brier.value)}")
    if says:
        print("  aims: " + "; ".join(says))


def _numbers(table: pa.Table) -> list[str]:
    """The figures of a panel; its features are all numbers in these logs."""
    return [name for name in table.column_names if name not in BUILT_COLUMNS.values()]


def _told_the_answers(X: Floats, left: npt.NDArray[np.bool_]) -> Floats:
    """The mean of a linear and a boosted model, out of fold, of the labels that are to be told."""
    filled = SimpleImputer(strategy="median").fit_transform(X)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2_000))
    boosted = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=80, max_leaf_nodes=6, min_samples_leaf=100, random_state=0
    )
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    parts = [
        cross_val_predict(model, rows, left, cv=folds, method="predict_proba")[:, 1]
        for model, rows in ((linear, np.hstack([filled, np.arcsinh(filled)])), (boosted, X))
    ]
    mean: Floats = np.mean(parts, axis=0)
    return mean


def _figures(left: npt.NDArray[np.bool_], p: Floats, is_probability: bool) -> dict[str, Estimate]:
    figures: dict[str, Figure] = {"roc_auc": roc_auc(left, p)}
    if is_probability:
        figures["brier"] = mean_of((p - left) ** 2)
    return estimates(figures, np.arange(len(left)), rounds=ROUNDS, seed=0)


def _met(margin: float) -> str:
    return "reached" if margin >= 0 else f"missed by {-margin:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=60.0, help="seconds for each search")
    parser.add_argument(
        "--rehearse", action="store_true", help="earlier dates instead of those of the aims"
    )
    parser.add_argument("--only", default="", help="a part of a case's name")
    parser.add_argument(
        "--data", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "data"
    )
    told = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for case in cases(told.data, work):
            if told.only.lower() in case.name.lower():
                for one in rehearsals(case) if told.rehearse else (case,):
                    run(one, work, told.budget)


if __name__ == "__main__":
    main()
