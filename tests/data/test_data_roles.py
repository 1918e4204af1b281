"""Roles are guessed with a ground; the target is never guessed silently."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from churnkit.data.roles import guess_roles
from churnkit.data.simulate import bank_like, snapshot
from churnkit.domain.profiles import RoleGuess
from churnkit.errors import AmbiguousTarget, ColumnMissing, TargetInvalid
from tests.data.typed_tables import schema_of, telco


def _guess(table: pa.Table, **said: str) -> dict[str, RoleGuess]:
    guesses = guess_roles(table, schema_of(table), **said)
    assert [guess.column for guess in guesses] == table.column_names
    assert all(guess.ground for guess in guesses)
    return {guess.column: guess for guess in guesses}


@pytest.mark.parametrize(
    ("table", "target", "positive", "name"),
    [
        (telco(), "Churn", "Yes", "customerID"),
        (bank_like(2_000, seed=0), "Attrition_Flag", "Attrited Customer", "CLIENTNUM"),
        (snapshot(2_000, seed=0), "churn", "Yes", "customer_id"),
    ],
    ids=["telco", "bank", "snapshot"],
)
def test_known_tables(table: pa.Table, target: str, positive: str, name: str) -> None:
    found = _guess(table)
    assert (found[target].role, found[target].positive) == ("target", positive)
    assert found[name].role == "id"
    others = set(table.column_names) - {target, name}
    assert {found[other].role for other in others} == {"input"}


def test_two_candidates_are_asked_about() -> None:
    table = pa.table({"churned": ["Yes", "No"] * 20, "attrition": [0, 1] * 20, "x": range(40)})
    with pytest.raises(AmbiguousTarget) as caught:
        _guess(table)
    assert caught.value.where["choices"] == "churned, attrition"
    assert _guess(table, target="attrition")["attrition"].positive == "1"


def test_unclear_value_is_asked_about() -> None:
    table = pa.table({"churn": ["A", "B"] * 20, "x": range(40)})
    with pytest.raises(AmbiguousTarget) as caught:
        _guess(table)
    assert caught.value.where["choices"] == "A, B"
    assert _guess(table, positive="b")["churn"].positive == "B"


def test_no_target_at_all_lists_what_could_be_one() -> None:
    with pytest.raises(AmbiguousTarget, match="gender"):
        _guess(telco().drop_columns(["Churn"]))


@pytest.mark.parametrize("values", [["No"] * 40, ["Yes", "No", "Maybe", "No"] * 10])
def test_a_broken_target_is_reported_as_what_it_is(values: list[str]) -> None:
    with pytest.raises(TargetInvalid):
        _guess(pa.table({"churn": values, "x": range(40)}))


def test_a_named_column_must_exist() -> None:
    with pytest.raises(ColumnMissing):
        _guess(telco(), id_column="customer")


def test_dates_row_numbers_constants_and_free_text_are_no_inputs() -> None:
    n = 40
    day = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    moments = pa.timestamp("us", "UTC")
    table = pa.table(
        {
            "index": range(n),
            "churn": ["Yes", "No"] * (n // 2),
            "as_of": pa.array([day] * n, moments),
            "signup_date": pa.array([day - dt.timedelta(days=k) for k in range(n)], moments),
            "country": ["DE"] * n,
            "remark": [f"called about bill {k}" for k in range(n)],
            "empty": pa.array([None] * n, pa.float64()),
            "age": [20 + k % 30 for k in range(n)],
        }
    )
    found = {name: guess.role for name, guess in _guess(table).items()}
    assert found.pop("churn") == "target"
    assert found.pop("as_of") == "time"
    assert found.pop("age") == "input"
    assert set(found.values()) == {"ignore"}
