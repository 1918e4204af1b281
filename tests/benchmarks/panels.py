"""Models over time on real logs: learnt at earlier dates, judged at a later one.

    python tests/benchmarks/panels.py [--budget SECONDS] [--data FOLDER]

CDNOW is shipped; Online Retail is looked for in the data folder, and said to be missing if it is
not there. Beside churnkit's own model stand, on the same customers and labels, the days since the
last event alone, and a plain logistic regression on recency, frequency and money.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import churnkit as ck
from churnkit.data.reading import read_arrow
from churnkit.data.samples.locate import cdnow_path
from churnkit.settings import write_settings

RETAIL = "online_retail.parquet"


@dataclass(frozen=True)
class Case:
    """A log, its dates, and what was asked for.

    ``aim`` is (AUC at least, Brier at most or None); ``told`` are figures of others on this case.
    """

    name: str
    log: Path
    options: ck.LogOptions
    dates: tuple[str, ...]
    frequency: str
    money: str
    aim: tuple[float, float | None]
    told: str


def cases(folder: Path, work: Path) -> list[Case]:
    found = [
        Case(
            name="CDNOW, 180 days",
            log=cdnow_path(),
            options=ck.LogOptions(horizon_days=180),
            dates=("1997-05-01", "1997-06-01", "1997-07-01", "1998-01-01"),
            frequency="events_ever",
            money="dollar_value_sum_ever",
            aim=(0.81, 0.130),
            told="BG/NBD 0.798, recency 0.796, logistic regression 0.808 (184 days)",
        )
    ]
    retail = folder / RETAIL
    if not retail.exists():
        print(f"Online Retail was not run: {RETAIL} is not in {folder}")
        return found
    log = work / "retail.parquet"
    # One event per line of an invoice that sold something; cancellations have their own type.
    duckdb.execute(
        f"""copy (select CustomerID::bigint::varchar as customer_id, InvoiceDate as event_time,
        case when InvoiceNo::varchar like 'C%' then 'cancellation' else 'purchase' end
        as event_type, round(Quantity * UnitPrice, 2) as amount, InvoiceNo::varchar as invoice
        from '{retail}' where CustomerID is not null) to '{log}' (format parquet)"""
    )
    found.append(
        Case(
            name="Online Retail, 90 days",
            log=log,
            options=ck.LogOptions(
                horizon_days=90, zone="Europe/London", activity=("purchase",),
                categories=("invoice",),
            ),
            dates=("2011-04-12", "2011-05-12", "2011-06-11", "2011-09-10"),
            frequency="active_days_ever",
            money="amount_sum_ever",
            aim=(0.745, None),
            told="logistic regression 0.738, recency 0.683",
        )
    )  # fmt: skip
    return found


def run(case: Case, work: Path, budget: float) -> None:
    project = ck.create_event_project(
        work / case.name.split(",")[0].lower().replace(" ", "-"), case.log, case.options
    ).project
    with project:
        churn = project.settings.churn.model_copy(update={"as_of": case.dates})
        project.settings = project.settings.model_copy(update={"churn": churn})
        write_settings(project.folder, project.settings)
        trained = ck.train(project, budget_seconds=budget)
        table = read_arrow(project.training_database)
    auc, brier = (trained.version.metrics[name] for name in ("roc_auc", "brier"))
    test_from = trained.record.test_from
    assert test_from is not None
    late = np.array([one >= test_from for one in table["as_of"].to_pylist()])
    y = table["churned"].to_numpy(zero_copy_only=False).astype(int)
    recency = table["recency_days"].to_numpy(zero_copy_only=False).astype(float)
    X = np.column_stack(
        [
            recency,
            *(table[name].to_numpy(zero_copy_only=False) for name in (case.frequency, case.money)),
        ]
    )
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(X[~late], y[~late])
    p = plain.predict_proba(X[late])[:, 1]
    best = trained.record.best
    print(f"\n{case.name}: {late.sum():,} customers at {case.dates[-1]}, {y[late].mean():.1%} left")
    print(f"  {'':34}{'ROC AUC':>24}{'Brier':>24}")
    tried = f"churnkit ({best.candidate}, {len(trained.record.trials)} trials)"
    print(f"  {tried:34}{auc!s:>24}{brier!s:>24}")
    print(f"  {'recency alone':34}{roc_auc_score(y[late], recency[late]):>24.3f}{'':>24}")
    auc_plain, brier_plain = roc_auc_score(y[late], p), brier_score_loss(y[late], p)
    print(f"  {'plain recency, frequency, money':34}{auc_plain:>24.3f}{brier_plain:>24.3f}")
    aim_auc, aim_brier = case.aim
    print(f"  told by others: {case.told}")
    says = [f"AUC >= {aim_auc}: {_met(auc.value - aim_auc)}"]
    if aim_brier is not None:
        says.append(f"Brier <= {aim_brier}: {_met(aim_brier - brier.value)}")
    print("  aims: " + "; ".join(says))
    for one in trained.record.evaluation.slices:
        if one.column == "as_of":
            print(f"    {one.value}: AUC {one.roc_auc}, Brier {one.brier}")


def _met(margin: float) -> str:
    return "reached" if margin >= 0 else f"missed by {-margin:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=float, default=60.0, help="seconds for each search")
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
                run(case, work, told.budget)


if __name__ == "__main__":
    main()
