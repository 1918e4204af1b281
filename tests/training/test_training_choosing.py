"""In a panel the simpler model wins, unless the other one's lead is more than chance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from churnkit.domain.columns import ModelInput, ModelSchema
from churnkit.training.candidate import Candidate
from churnkit.training.choosing import better_by_chance
from churnkit.training.search import Training, search

N = 600


def test_a_lead_counts_from_one_standard_error_on() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(size=2_000)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    error = 1 / np.sqrt(2_000)
    losses, everyone = np.zeros(2_000), np.arange(2_000)
    assert better_by_chance(losses, noise + 0.99 * error, everyone)
    assert not better_by_chance(losses, noise + 1.01 * error, everyone)
    assert better_by_chance(losses, noise - 5 * error, everyone)  # it is not even ahead


def test_a_customer_at_many_dates_is_one_draw() -> None:
    """Rows told again make nothing more certain, however they are ordered."""
    rng = np.random.default_rng(2)
    lead = rng.normal(size=500)
    lead = lead - lead.mean() + 0.9 * lead.std(ddof=1) / np.sqrt(500)
    again = np.tile(np.arange(500), 12)
    assert better_by_chance(np.zeros(6_000), lead[again], again)
    # Twelve times as many customers would be certain.
    assert not better_by_chance(np.zeros(6_000), lead[again], np.arange(6_000))


def _logistic(name: str, kind: str, sees: int) -> Candidate:
    """A logistic regression that sees the first columns only."""
    return Candidate(
        name=name,
        title=name,
        kind=kind,  # type: ignore[arg-type]  # one of the two
        defaults={},
        suggest=lambda rng: {},
        build=lambda params, schema, seed: Pipeline(
            [
                ("columns", ColumnTransformer([("seen", "passthrough", list(range(sees)))])),
                ("classifier", LogisticRegression()),
            ]
        ),
    )


def _data(customers: bool) -> Training:
    """The first column says much, the second one little, the third one much."""
    rng = np.random.default_rng(10)
    X = rng.normal(size=(N, 3))
    y = (X @ [1.0, 0.1, 1.0] + rng.logistic(size=N) > 0).astype(np.int64)
    fold = np.arange(N) % 3
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]
    schema = ModelSchema(
        inputs=tuple(ModelInput(name=f"x{i}", kind="number") for i in range(3)),
        id_column="", target="y", positive="1",
    )  # fmt: skip
    return Training(X, y, folds, schema, 0, np.arange(N) if customers else None)


@pytest.mark.parametrize(
    ("sees", "customers", "chosen"),
    [
        ((1, 2), True, "simple"),
        ((1, 2), False, "other"),  # no panel: the lowest loss wins
        ((1, 3), True, "other"),  # clearly better
    ],
)
def test_who_wins(sees: tuple[int, int], customers: bool, chosen: str) -> None:
    candidates = [_logistic("simple", "linear", sees[0]), _logistic("other", "trees", sees[1])]
    found = search(
        _data(customers), candidates, budget_seconds=None, max_trials=2, calibration="sigmoid"
    )
    losses = {trial.candidate: trial.log_loss for trial in found.trials}
    assert losses["other"] < losses["simple"]
    assert found.trials[found.chosen].candidate == chosen
    assert bool(found.why) == (chosen == "simple")
