"""Customers that never were: tables of any size whose truth is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnkit.data.codes import as_array, column_codes

Floats = npt.NDArray[np.float64]

CONTRACTS = ("Month-to-month", "One year", "Two year")
INTERNETS = ("DSL", "Fiber optic", "No")
PAYMENTS = ("Electronic check", "Mailed check", "Bank transfer", "Credit card")
NAIVE_BAYES = (
    "Naive_Bayes_Classifier_Attrition_Flag_Card_Category_Contacts_Count_12_mon_"
    "Dependent_count_Education_Level_Months_Inactive_12_mon_1",
    "Naive_Bayes_Classifier_Attrition_Flag_Card_Category_Contacts_Count_12_mon_"
    "Dependent_count_Education_Level_Months_Inactive_12_mon_2",
)
"""Two columns of the BankChurners data set that were computed from the label."""


def snapshot(n_rows: int, *, seed: int, missing_share: float = 0.02) -> pa.Table:
    """Telco-like customers: one row each, ``churn`` is Yes or No.

    The probability of leaving is ``snapshot_probability`` of the table.

    Parameters
    ----------
    n_rows : how many
    seed : the same seed gives the same customers
    missing_share : share of ``monthly_charge`` and ``support_calls`` that is lost at random
    """
    rng = np.random.default_rng(seed)
    contract = rng.choice(3, size=n_rows, p=(0.55, 0.21, 0.24))
    internet = rng.choice(3, size=n_rows, p=(0.34, 0.44, 0.22))
    payment = rng.choice(4, size=n_rows, p=(0.34, 0.23, 0.22, 0.21))
    tenure = np.floor(rng.gamma(1.2 + contract, 14, size=n_rows)).clip(0, 72)
    charge = (20 + 30 * (internet == 1) + 18 * (internet == 0) + rng.gamma(2, 8, n_rows)).round(2)
    calls = rng.poisson(1.2, size=n_rows).astype(np.float64)
    senior = rng.random(n_rows) < 0.16

    def named(codes: npt.NDArray[np.int64], names: tuple[str, ...]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names)).cast(pa.string())

    def thinned(values: Floats) -> pa.Array:
        return pa.array(values, mask=rng.random(n_rows) < missing_share)

    ids = pa.array(np.char.mod("C%08d", np.arange(n_rows)))
    table = pa.table(
        {
            "customer_id": ids,
            "contract": named(contract, CONTRACTS),
            "internet": named(internet, INTERNETS),
            "payment": named(payment, PAYMENTS),
            "tenure": tenure.astype(np.int64),
            "monthly_charge": thinned(charge),
            "support_calls": thinned(calls),
            "senior": senior,
        }
    )
    left = rng.random(n_rows) < snapshot_probability(table)
    return table.append_column("churn", named(left.astype(np.int64), ("No", "Yes")))


def snapshot_probability(table: pa.Table) -> Floats:
    """The true probability of each customer of ``snapshot`` to have left.

    A logit with one interaction of what the table shows; a lost value counts as the mean.

    Parameters
    ----------
    table : of ``snapshot``; any rows of it, with or without ``churn``

    Returns
    -------
    probability : shape (n_rows,), in (0, 1)
    """
    contract = _positions(table, "contract", CONTRACTS)
    calls = _numbers(table, "support_calls", missing=1.2)
    logit = (
        -1.1
        + np.array([0.9, -0.5, -1.6])[contract]
        + np.array([0.0, 0.6, -0.7])[_positions(table, "internet", INTERNETS)]
        + np.array([0.4, 0.0, -0.1, -0.15])[_positions(table, "payment", PAYMENTS)]
        - 0.035 * _numbers(table, "tenure", missing=0.0)
        + 0.008 * (_numbers(table, "monthly_charge", missing=55.0) - 50)
        + 0.25 * calls * (contract == 0)
        + 0.2 * _numbers(table, "senior", missing=0.0)
    )
    return np.asarray(1 / (1 + np.exp(-logit)))


def _positions(table: pa.Table, name: str, names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    codes, values = column_codes(table.column(name))
    return np.array([names.index(value) for value in values.to_pylist()], dtype=np.int64)[codes]


def _numbers(table: pa.Table, name: str, *, missing: float) -> Floats:
    column = as_array(table.column(name)).cast(pa.float64()).fill_null(missing)
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def bank_like(n_rows: int = 10_127, *, seed: int) -> pa.Table:
    """A generated table of the same shape as BankChurners, with its two leaking columns.

    Names of columns and marginal shares (16 % attrited, 53 % women, about 15 % unknown
    education) are those that the data set's page publishes; no row is anybody's.
    """
    rng = np.random.default_rng(seed)
    left = rng.random(n_rows) < 0.1607
    age = rng.normal(46.3, 8, n_rows).round().clip(26, 73)
    trans = (rng.normal(68.7, 20.5, n_rows) - 20 * left).round().clip(10, 139)
    amount = (trans * rng.gamma(6, 10, n_rows)).round()
    limit = rng.gamma(1.1, 7_800, n_rows).clip(1_438, 34_516).round(1)
    revolving = np.where(
        rng.random(n_rows) < 0.24 + 0.3 * left, 0, rng.normal(1_500, 500, n_rows)
    ).clip(0, 2_517)

    def drawn(values: tuple[str, ...], shares: tuple[float, ...]) -> list[str]:
        return [str(value) for value in rng.choice(values, size=n_rows, p=shares)]

    first = np.where(left, rng.beta(400, 2, n_rows), rng.beta(2, 4_000, n_rows))
    columns = {
        "CLIENTNUM": rng.permutation(n_rows) * 12 + 708_082_083,
        "Attrition_Flag": np.where(left, "Attrited Customer", "Existing Customer"),
        "Customer_Age": age.astype(np.int64),
        "Gender": drawn(("F", "M"), (0.53, 0.47)),
        "Dependent_count": rng.integers(0, 6, n_rows),
        "Education_Level": drawn(
            (
                "Graduate",
                "High School",
                "Unknown",
                "Uneducated",
                "College",
                "Post-Graduate",
                "Doctorate",
            ),
            (0.31, 0.20, 0.15, 0.15, 0.10, 0.05, 0.04),
        ),
        "Marital_Status": drawn(
            ("Married", "Single", "Unknown", "Divorced"), (0.46, 0.39, 0.07, 0.08)
        ),
        "Income_Category": drawn(
            ("Less than $40K", "$40K - $60K", "$80K - $120K", "$60K - $80K", "Unknown", "$120K +"),
            (0.35, 0.18, 0.15, 0.14, 0.11, 0.07),
        ),
        "Card_Category": drawn(("Blue", "Silver", "Gold", "Platinum"), (0.93, 0.055, 0.013, 0.002)),
        "Months_on_book": (age - 10.4 + rng.normal(0, 4, n_rows)).round().clip(13, 56),
        "Total_Relationship_Count": rng.integers(1, 7, n_rows),
        "Months_Inactive_12_mon": rng.choice(
            7, n_rows, p=(0.003, 0.22, 0.324, 0.38, 0.043, 0.018, 0.012)
        ),
        "Contacts_Count_12_mon": rng.poisson(2.2 + 0.5 * left, n_rows).clip(0, 6),
        "Credit_Limit": limit,
        "Total_Revolving_Bal": revolving.round().astype(np.int64),
        "Avg_Open_To_Buy": (limit - revolving).clip(3).round(1),
        "Total_Amt_Chng_Q4_Q1": rng.gamma(12, 0.063, n_rows).round(3),
        "Total_Trans_Amt": amount.astype(np.int64),
        "Total_Trans_Ct": trans.astype(np.int64),
        "Total_Ct_Chng_Q4_Q1": (rng.gamma(9, 0.08, n_rows) - 0.1 * left).clip(0).round(3),
        "Avg_Utilization_Ratio": (revolving / limit).clip(0, 1).round(3),
        NAIVE_BAYES[0]: first,
        NAIVE_BAYES[1]: 1 - first,
    }
    return pa.table(columns)
