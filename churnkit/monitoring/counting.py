"""A stream of customers as counters: constant memory, and replicas' counters add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
from pydantic import model_validator

from churnkit.domain.frozen import Frozen
from churnkit.errors import ColumnMissing, did_you_mean
from churnkit.monitoring.baseline import SCORE, Baseline

Values = Sequence[object] | npt.NDArray[Any]


class Counts(Frozen):
    """How many customers fell into each bin of each feature, in the baseline's order."""

    n_rows: int
    bins: tuple[tuple[int, ...], ...]

    @model_validator(mode="after")
    def _each_row_once_per_feature(self) -> Counts:
        if any(sum(part) != self.n_rows or min(part) < 0 for part in self.bins):
            raise ValueError("every feature must count each row once")
        return self

    def __add__(self, other: Counts) -> Counts:
        """Both together; in any order and grouping the same."""
        return Counts(
            n_rows=self.n_rows + other.n_rows,
            bins=tuple(
                tuple(a + b for a, b in zip(mine, theirs, strict=True))
                for mine, theirs in zip(self.bins, other.bins, strict=True)
            ),
        )


def no_counts(baseline: Baseline) -> Counts:
    """The counters before the first customer."""
    return Counts(n_rows=0, bins=tuple((0,) * len(f.counts) for f in baseline.features))


def count_customers(baseline: Baseline, columns: Mapping[str, Values], scores: Values) -> Counts:
    """Counters of a batch, one row per customer.

    Parameters
    ----------
    columns : each shape (n,); every input of the model, others are ignored
    scores : shape (n,), probabilities in [0, 1]

    Raises
    ------
    ColumnMissing : an input is not there
    BadValue : a number's value is none
    """
    bins: list[tuple[int, ...]] = []
    for feature in baseline.features:
        values = scores if feature.name == SCORE else columns.get(feature.name)
        if values is None:
            raise ColumnMissing(
                "the column is not there, so its drift cannot be seen.",
                fix=did_you_mean(feature.name, columns),
                column=feature.name,
            )
        if len(values) != len(scores):
            raise ValueError(f"{feature.name}: {len(values)} values for {len(scores)} scores")
        bins.append(feature.binned(values))
    return Counts(n_rows=len(scores), bins=tuple(bins))
