"""Who is answered by which arm: sticky, salted, and monotone in the share.

A customer's bucket is a number in [0, 1) that depends on the salt and his id alone. The arms
share [0, 1) out in their order, so raising the first arm's weight never moves a customer who has
it away from it, and another rollout's salt gives buckets that have nothing to do with these.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from itertools import accumulate

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from churnkit.domain.frozen import Frozen

Floats = npt.NDArray[np.float64]

CHALLENGER = "challenger"
CHAMPION = "champion"


def bucket(customer_id: str, *, salt: str) -> float:
    """The customer's place in [0, 1), the same for ever.

    blake2b over the salt's length, the salt and the id, so that no two different pairs of salt
    and id are the same bytes. The upper 53 of its 64 bits are an exact float below 1.
    """
    return _place(_salted(salt), customer_id)


def buckets(customer_ids: Iterable[str], *, salt: str) -> Floats:
    """``bucket`` of many customers.

    Returns
    -------
    buckets : shape (n,), in [0, 1)
    """
    hasher = _salted(salt)
    return np.fromiter((_place(hasher, each) for each in customer_ids), dtype=np.float64)


def _salted(salt: str) -> hashlib.blake2b:
    data = salt.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(len(data).to_bytes(8, "big") + data, digest_size=8)


def _place(salted: hashlib.blake2b, customer_id: str) -> float:
    hasher = salted.copy()
    hasher.update(customer_id.encode("utf-8", "surrogatepass"))
    return (int.from_bytes(hasher.digest(), "big") >> 11) * 2.0**-53


class Assignment(Frozen):
    """How customers are shared out between arms.

    The order of ``weights`` matters: an arm that comes first keeps its customers when its weight
    grows at the cost of the later ones.
    """

    salt: str = Field(min_length=1)
    weights: tuple[tuple[str, float], ...]
    """Each arm with its share of customers, in [0, 1]; they add up to 1. Not a mapping: databases
    that store JSON do not keep the order of keys, and another order would move customers."""
    overrides: dict[str, str] = Field(default_factory=dict)
    """Customer id → arm, whatever the bucket says; not evidence about the ratio of the arms."""

    @model_validator(mode="after")
    def _shares(self) -> Assignment:
        if not self.weights:
            raise ValueError("at least one arm is needed")
        for arm, weight in self.weights:
            if not (math.isfinite(weight) and 0 <= weight <= 1):
                raise ValueError(f"the weight of '{arm}' must be in [0, 1], not {weight}")
        if not math.isclose(math.fsum(weight for _, weight in self.weights), 1.0, abs_tol=1e-9):
            raise ValueError("the weights of the arms must add up to 1")
        arms = [arm for arm, _ in self.weights]
        if len(set(arms)) < len(arms):
            raise ValueError("two arms have the same name")
        foreign = sorted(set(self.overrides.values()) - set(arms))
        if foreign:
            raise ValueError(f"an override names '{foreign[0]}', which is not an arm")
        return self

    def arm(self, customer_id: str) -> str:
        """The arm that answers this customer."""
        override = self.overrides.get(customer_id)
        if override is not None:
            return override
        names, ends = self._ends()
        place = bucket(customer_id, salt=self.salt)
        return names[int(np.searchsorted(ends, place, side="right"))]

    def arms(self, customer_ids: Iterable[str]) -> list[str]:
        """``arm`` of many customers, in their order."""
        ids = list(customer_ids)
        names, ends = self._ends()
        places = np.searchsorted(ends, buckets(ids, salt=self.salt), side="right")
        return [
            self.overrides.get(customer_id, names[place])
            for customer_id, place in zip(ids, places.tolist(), strict=True)
        ]

    def _ends(self) -> tuple[list[str], list[float]]:
        """Arms that get anybody, and where each one's part of [0, 1) ends, but for the last."""
        served = [(arm, weight) for arm, weight in self.weights if weight > 0]
        return [arm for arm, _ in served], list(accumulate(weight for _, weight in served))[:-1]


def rollout_assignment(
    *, salt: str, challenger_share: float, overrides: Mapping[str, str] | None = None
) -> Assignment:
    """The two arms of a rollout; a ramp of the share never sends a customer back.

    Parameters
    ----------
    challenger_share : in [0, 1]; 0 while in shadow
    overrides : customer id → ``champion`` or ``challenger``
    """
    return Assignment(
        salt=salt,
        weights=((CHALLENGER, challenger_share), (CHAMPION, 1 - challenger_share)),
        overrides=dict(overrides or {}),
    )
