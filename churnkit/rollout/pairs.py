"""Matured pairs: what both models said of a customer, and what became true.

The unit is a customer's first prediction in the rollout. Pairs enter the evidence in the order of
their predictions, which says nothing about their outcomes; never in the order in which outcomes
become known, because which class is known first depends on how churn is defined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churnkit.errors import EvidenceInvalid

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Columns of pairs; all of shape (n,). Make them with ``make_pairs``."""

    customer_id: npt.NDArray[np.str_]
    predicted_at: Times
    """UTC, in microseconds."""
    champion: Floats
    """Probability of leaving, in [0, 1]."""
    challenger: Floats
    left: Labels
    weight: Floats
    """1, or the inverse of the logged propensity (``weighting``); NaN: not evidence."""
    ordinal: npt.NDArray[np.int64]
    """1 for the customer's first prediction in the rollout, 2 for the second, …"""
    customer_value: Floats
    """What the customer is worth; NaN: as in the plan."""

    def __len__(self) -> int:
        return len(self.champion)

    def take(self, rows: npt.NDArray[np.int64] | Labels) -> Pairs:
        """Some of the pairs, in the order of ``rows``."""
        return Pairs(
            customer_id=self.customer_id[rows],
            predicted_at=self.predicted_at[rows],
            champion=self.champion[rows],
            challenger=self.challenger[rows],
            left=self.left[rows],
            weight=self.weight[rows],
            ordinal=self.ordinal[rows],
            customer_value=self.customer_value[rows],
        )

    def in_order(self) -> Pairs:
        """By time of prediction; equal times by customer, so that there is one order."""
        return self.take(np.lexsort((self.customer_id, self.predicted_at)))


def make_pairs(
    *,
    customer_id: Sequence[str] | npt.NDArray[np.str_],
    predicted_at: Times,
    champion: Floats,
    challenger: Floats,
    left: Labels,
    weight: Floats | None = None,
    ordinal: npt.NDArray[np.int64] | None = None,
    customer_value: Floats | None = None,
) -> Pairs:
    """Check the columns and put them together.

    Parameters
    ----------
    predicted_at : shape (n,), datetime64 in UTC
    weight : None: everyone counts once
    ordinal : None: counted from these pairs, which must then be all predictions of the rollout
    customer_value : None: as in the plan

    Raises
    ------
    EvidenceInvalid : columns of different lengths, or a value out of its range
    """
    ids = np.asarray(customer_id, dtype=np.str_)
    times = np.asarray(predicted_at, dtype="datetime64[us]")
    n = len(ids)
    pairs = Pairs(
        customer_id=ids,
        predicted_at=times,
        champion=np.asarray(champion, dtype=np.float64),
        challenger=np.asarray(challenger, dtype=np.float64),
        left=np.asarray(left, dtype=np.bool_),
        weight=np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64),
        ordinal=_ordinals(ids, times) if ordinal is None else np.asarray(ordinal, dtype=np.int64),
        customer_value=np.full(n, np.nan)
        if customer_value is None
        else np.asarray(customer_value, dtype=np.float64),
    )
    for name in Pairs.__slots__:
        if getattr(pairs, name).shape != (n,):
            raise EvidenceInvalid(
                f"'{name}' has another length than 'customer_id' ({n}).", column=name
            )
    for name in ("champion", "challenger"):
        column = getattr(pairs, name)
        if not ((column >= 0) & (column <= 1)).all():
            raise EvidenceInvalid("a probability is not in [0, 1].", column=name)
    if np.isnat(times).any():
        raise EvidenceInvalid("a prediction has no time.", column="predicted_at")
    if (pairs.weight < 0).any() or np.isinf(pairs.weight).any():
        raise EvidenceInvalid("a weight is below 0 or infinite.", column="weight")
    if (pairs.customer_value < 0).any() or np.isinf(pairs.customer_value).any():
        raise EvidenceInvalid("a customer's value is below 0 or infinite.", column="customer_value")
    return pairs


def _ordinals(ids: npt.NDArray[np.str_], times: Times) -> npt.NDArray[np.int64]:
    """Which prediction of its customer each one is, by time; equal times as they stand."""
    n = len(ids)
    order = np.lexsort((np.arange(n), times, ids))
    ordered = ids[order]
    changes = np.ones(n, dtype=np.bool_)
    changes[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(changes)
    lengths = np.diff(np.append(starts, n))
    ordinal = np.empty(n, dtype=np.int64)
    ordinal[order] = np.arange(n) - np.repeat(starts, lengths) + 1
    return ordinal
