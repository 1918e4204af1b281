"""A company of customers with twenty features of all kinds, as a reference and as a stream."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnkit.domain.columns import ModelInput, ModelSchema
from churnkit.monitoring.baseline import Baseline, baseline_of
from churnkit.monitoring.counting import Counts, count_customers
from churnkit.registry.reference import reference_distribution

PLANS = ("basic", "family", "business", "student", "legacy-a", "legacy-b")
_SHARES = np.array([0.5, 0.25, 0.15, 0.08, 0.015, 0.005])
N_FEATURES = 20


@dataclass(frozen=True)
class Change:
    """What happens to the customers; the default is nothing.

    ``location`` moves the first number by standard deviations (of all customers, or of each, shape
    (n,)), ``spread`` widens it, ``missing``
    loses a share of it, ``plan`` moves a share of the first category's first value to its third,
    ``unseen`` gives a share of the customers a plan that nobody had.
    """

    location: float | npt.NDArray[np.float64] = 0.0
    spread: float = 1.0
    missing: float = 0.0
    plan: float = 0.0
    unseen: float = 0.0


@dataclass
class Company:
    """Draws exchangeable customers: correlated numbers, atoms, integers, categories, gaps."""

    seed: int
    rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def customers(
        self, n: int, change: Change | None = None
    ) -> tuple[dict[str, npt.NDArray[np.object_ | np.float64]], npt.NDArray[np.float64]]:
        """Columns and scores of n customers."""
        rng, change = self.rng, change or Change()
        common = rng.normal(size=(n, 1))
        normal = 0.6 * common + 0.8 * rng.normal(size=(n, 12))
        normal[:, 0] = normal[:, 0] * change.spread + change.location
        columns: dict[str, npt.NDArray[np.object_ | np.float64]] = {}
        for i in range(12):
            columns[f"number{i}"] = normal[:, i]
        for i in range(3):  # many zeros, and a long tail
            spent = np.round(np.exp(3 + normal[:, i]), 2)
            columns[f"spent{i}"] = np.where(rng.random(n) < 0.3, 0.0, spent)
        for i in range(2):
            columns[f"calls{i}"] = rng.poisson(1.5, n).astype(np.float64)
        for name in ("number0", "number1", "spent0"):
            lost = rng.random(n) < 0.02 + (change.missing if name == "number0" else 0.0)
            columns[name] = np.where(lost, np.nan, columns[name])
        for i in range(3):
            shares = _SHARES.copy()
            if i == 0:
                shares[0] -= change.plan
                shares[2] += change.plan
            plans = np.array(PLANS, dtype=object)[rng.choice(len(PLANS), n, p=shares)]
            if i == 0 and change.unseen:
                plans[rng.random(n) < change.unseen] = "never seen"
            columns[f"plan{i}"] = plans
        scores = 1 / (1 + np.exp(1.3 - 1.4 * normal[:, 0]))
        return columns, scores

    def baseline(self, n: int, change: Change | None = None) -> Baseline:
        """The baseline of a model that was trained on n customers and tested on as many."""
        columns, scores = self.customers(n, change)
        inputs = tuple(
            ModelInput(name=name, kind="category", categories=PLANS)
            if name.startswith("plan")
            else ModelInput(name=name, kind="number")
            for name in columns
        )
        schema = ModelSchema(inputs=inputs, id_column="id", target="churn", positive="Yes")
        table = pa.table({name: pa.array(v, from_pandas=True) for name, v in columns.items()})
        scores = self.customers(n, change)[1]
        return baseline_of(reference_distribution(table, schema, np.arange(n), scores))

    def first_format(self, n: int) -> Baseline:
        """The same from a bundle of the first format: the counted rows decide the bins."""
        columns, _ = self.customers(n)
        inputs: dict[str, object] = {}
        for name, values in columns.items():
            if name.startswith("plan"):
                counts = {plan: int((values == plan).sum()) for plan in PLANS}
                named = {plan: k for plan, k in counts.items() if k >= 5}
                inputs[name] = {"missing_share": 0.0, "categories": named}
                continue
            known = values[~np.isnan(values.astype(float))].astype(float)
            deciles = np.quantile(known, np.linspace(0, 1, 11)[1:-1])
            edges = np.unique([float(f"{edge:.3g}") for edge in deciles])
            bins = np.bincount(
                np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1
            )
            inputs[name] = {
                "missing_share": 1 - len(known) / n,
                "edges": edges.tolist(),
                "counts": [k if k >= 5 else 0 for k in bins.tolist()],
            }
        counts_of_scores = np.histogram(self.customers(n)[1], bins=20, range=(0, 1))[0].tolist()
        score_part = {
            "edges": np.linspace(0, 1, 21).round(2).tolist(),
            "counts": [k if k >= 5 else 0 for k in counts_of_scores],
        }
        return baseline_of({"n_rows": n, "inputs": inputs, "scores": score_part})

    def counts(self, baseline: Baseline, n: int, change: Change | None = None) -> Counts:
        """The counters of n new customers."""
        columns, scores = self.customers(n, change)
        return count_customers(baseline, columns, scores)
