"""What knows the answer is found and blocked; what does not is left alone."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pyarrow as pa
import pytest

from churnkit.data.leakage import find_leaks
from churnkit.data.simulate import NAIVE_BAYES, bank_like, snapshot
from churnkit.data.target import labels
from churnkit.domain.profiles import LeakFinding
from churnkit.settings.sources import ColumnsTable
from tests.data.typed_tables import TELCO, schema_of, telco

BANK = ColumnsTable(target="Attrition_Flag", positive="Attrited Customer", id="CLIENTNUM")
SMALL = ColumnsTable(target="left", positive="true")
SHIFT = NormalDist().inv_cdf(0.98) * 2**0.5
"""Two normals of unit variance this far apart have AUC 0.98."""


def _find(table: pa.Table, columns: ColumnsTable) -> dict[str, LeakFinding]:
    return {leak.column: leak for leak in reversed(find_leaks(table, schema_of(table), columns))}


def _blocked(table: pa.Table, columns: ColumnsTable) -> set[str]:
    return {name for name, leak in _find(table, columns).items() if leak.blocked}


def _planted(values: pa.Array | list[object]) -> dict[str, LeakFinding]:
    return _find(telco().append_column("planted", pa.array(values)), TELCO)


def _churners() -> np.ndarray:
    return labels(telco(), "Churn", "Yes")


def test_clean_tables_are_not_blocked() -> None:
    assert _find(telco(), TELCO) == {}
    for seed in range(5):
        without = bank_like(seed=seed).drop_columns(list(NAIVE_BAYES))
        assert _find(without, BANK) == {}
        columns = ColumnsTable(target="churn", positive="Yes", id="customer_id")
        assert _find(snapshot(3_000, seed=seed), columns) == {}


def test_both_naive_bayes_columns_are_blocked() -> None:
    for seed in range(3):
        assert _blocked(bank_like(seed=seed), BANK) == set(NAIVE_BAYES)


@pytest.mark.parametrize("seed", range(5))
def test_label_plus_noise_is_blocked(seed: int) -> None:
    left = _churners()
    noisy = np.random.default_rng(seed).normal(size=len(left)) + SHIFT * left
    found = _planted(noisy)
    assert set(found) == {"planted"}
    assert found["planted"].blocked
    assert found["planted"].kind == "predicts"
    assert abs(found["planted"].figure - 0.98) < 0.01


def test_a_relation_without_direction_is_found() -> None:
    left = _churners()
    rng = np.random.default_rng(0)
    size = np.abs(rng.normal(size=len(left))) + 3.0 * left
    assert _planted(size * rng.choice([-1.0, 1.0], len(left)))["planted"].blocked


def test_allowed_columns_are_reported_and_not_blocked() -> None:
    columns = BANK.model_copy(update={"allow_leaking": NAIVE_BAYES[:1]})
    found = _find(bank_like(seed=0), columns)
    assert set(found) == set(NAIVE_BAYES)
    assert {name for name, leak in found.items() if leak.blocked} == {NAIVE_BAYES[1]}


def test_ignored_columns_are_not_looked_at() -> None:
    assert _find(bank_like(seed=0), BANK.model_copy(update={"ignore": NAIVE_BAYES})) == {}


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("words", [("gone", "here"), (1, 0), (1.0, 0.0), (True, False)])
def test_copies(words: tuple[object, object], flip: bool) -> None:
    left = _churners() ^ flip
    left[::200] ^= True
    found = _planted([words[0] if churned else words[1] for churned in left])
    assert found["planted"].blocked
    assert found["planted"].kind == "copy"
    assert found["planted"].figure == pytest.approx(1 - 36 / 7_043)


def test_copies_in_many_words_are_blocked() -> None:
    reasons = ["moved", "price", "service", "death", "other"]
    values = [reasons[k % 5] if left else "active" for k, left in enumerate(_churners())]
    assert _planted(values)["planted"].blocked


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_filled_only_for_churners(share: float) -> None:
    left = _churners()
    filled = left & (np.random.default_rng(0).random(len(left)) < share)
    found = _planted(pa.array(np.where(filled, 5.0, 0.0), mask=~filled))
    assert found["planted"].blocked
    assert found["planted"].kind == "filled"
    assert found["planted"].figure == 1.0


def test_missing_for_churners_only() -> None:
    left = _churners()
    values = np.random.default_rng(0).normal(size=len(left))
    assert _planted(pa.array(values, mask=left))["planted"].blocked


def test_what_only_some_loyal_customers_have_is_honest() -> None:
    # A bonus that a third of the stayers and nobody else got: such customers do exist.
    left = _churners()
    rng = np.random.default_rng(0)
    bonus = ~left & (rng.random(len(left)) < 0.33)
    found = _planted(pa.array(rng.normal(size=len(left)), mask=~bonus))
    assert not any(leak.blocked for leak in found.values())


def test_many_values_do_not_convict() -> None:
    assert _planted([f"note {k}" for k in range(7_043)]) == {}


def test_what_names_a_repeated_customer_does_not_convict() -> None:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(400), 6)
    table = pa.table(
        {
            "who": who,
            "mail": [f"{k}@example.org" for k in who],
            "left": np.repeat(rng.random(400) < 0.3, 6),
        }
    )
    assert _blocked(table, SMALL.model_copy(update={"id": "who"})) == set()


def test_chance_in_small_tables_blocks_nothing() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = {f"n{k}": rng.normal(size=20) for k in range(40)}
        flags = {f"f{k}": rng.random(20) < 0.2 for k in range(40)}
        table = pa.table({"left": np.arange(20) < 4, **noise, **flags})
        assert _blocked(table, SMALL) == set()


def test_even_a_perfect_column_needs_enough_rows() -> None:
    def blocked(n: int) -> set[str]:
        left = np.arange(n) % 2 == 0
        return _blocked(pa.table({"left": left, "copy": left, "x": range(n)}), SMALL)

    assert blocked(16) == set()
    assert blocked(200) == {"copy"}


def test_an_id_that_was_given_by_outcome_is_reported() -> None:
    rng = np.random.default_rng(0)
    n = 2_000
    left = np.arange(n) < 500
    table = pa.table({"who": np.arange(n), "x": rng.normal(size=n), "left": left})
    found = _find(table, SMALL.model_copy(update={"id": "who"}))
    assert found["who"].kind == "id"
    assert found["who"].figure > 0.98
    assert not found["who"].blocked


def test_one_class_has_no_leaks() -> None:
    assert _find(pa.table({"left": [True] * 30, "x": range(30)}), SMALL) == {}
