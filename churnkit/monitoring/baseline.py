"""The distribution that later customers are compared with: bins, and counts of the reference.

Bins were decided by other rows than are counted, see ``churnkit/registry/reference.py``. A
bundle from before that rule has no plan; its own counts stand in, and ``exact`` is False: the
error of the drift test is then a measured one (docs/statistics.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from churnkit.domain.frozen import Frozen
from churnkit.errors import BadValue, BundleUnreadable

SCORE = "(score)"
"""The model's probability, beside its inputs."""

MISSING, OTHER = "missing", "other"


class FeatureBaseline(Frozen):
    """One input, or the score.

    ``planned`` (shares of the deciding rows) and ``counts`` (reference rows) have an entry for
    each bin. The bins of a number: missing, below ``edges[0]``, …, from ``edges[-1]`` on. Those
    of a category: missing, one for each of ``categories``, all others.
    """

    name: str
    kind: Literal["number", "category"]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    planned: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def bins(self) -> tuple[str, ...]:
        """What the bins hold, in words."""
        if self.kind == "category":
            return (MISSING, *self.categories, OTHER)
        if not self.edges:
            return (MISSING, "any")
        return (MISSING, f"below {self.edges[0]:g}", *self._inner(), self._last())

    def _inner(self) -> list[str]:
        """Between edges; a value with edges on both sides is named alone."""
        found = []
        for low, high in zip(self.edges, self.edges[1:], strict=False):
            alone = np.nextafter(low, np.inf) == high
            found.append(f"{low:g}" if alone else f"{low:g} to {high:g}")
        return found

    def _last(self) -> str:
        top = self.edges[-1]
        alone = len(self.edges) > 1 and np.nextafter(self.edges[-2], np.inf) == top
        return f"above {top:g}" if alone else f"{top:g} or more"

    def binned(self, values: Sequence[object] | npt.NDArray[Any]) -> tuple[int, ...]:
        """How many of these values fall into each bin.

        Parameters
        ----------
        values : shape (n,); None and NaN are missing. Numbers may be booleans.

        Raises
        ------
        BadValue : a number's value is none
        """
        places = self.places(values)
        return tuple(np.bincount(places, minlength=len(self.counts)).tolist())

    def places(self, values: Sequence[object] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Which bin each value falls into, shape (n,); see ``binned``.

        Raises
        ------
        BadValue : a number's value is none
        """
        if self.kind == "category":
            place = {name: i + 1 for i, name in enumerate(self.categories)}
            other = len(self.counts) - 1
            found = [0 if _lost(value) else place.get(str(value), other) for value in values]
            return np.array(found, dtype=np.int64)
        try:
            numbers = np.asarray(values, dtype=np.float64)  # None becomes NaN
        except (TypeError, ValueError) as error:
            raise BadValue(
                "a value is no number.", fix="Send numbers, or null.", column=self.name
            ) from error
        # NaN sorts after everything else.
        bins = np.searchsorted(np.array(self.edges), numbers, side="right") + 1
        return np.where(np.isnan(numbers), 0, bins)


class Baseline(Frozen):
    """All features, and whether the counts are of other rows than decided the bins."""

    features: tuple[FeatureBaseline, ...]
    exact: bool = True

    def fingerprint(self) -> str:
        """SHA-256 (hex) of all of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def baseline_of(reference: Mapping[str, Any]) -> Baseline:
    """The baseline in a bundle's ``reference.json``.

    Raises
    ------
    BundleUnreadable : it holds no inputs, or not what it should
    """
    try:
        n = int(reference["n_rows"])
        parts = [(name, part, n) for name, part in reference["inputs"].items()]
        scores = reference["scores"]
        parts.append((SCORE, scores, int(sum(scores["counts"]))))
        exact = all("planned" in part for _, part, _ in parts)
        features = tuple(_feature(name, part, n) for name, part, n in parts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleUnreadable(
            f"the reference distribution cannot be used: {type(error).__name__} {error}.",
            fix="Train the model again.",
        ) from error
    return Baseline(features=features, exact=exact)


def _feature(name: str, part: Mapping[str, Any], n: int) -> FeatureBaseline:
    category = "categories" in part
    if "planned" not in part:
        part = _first_format(part, n)
    feature = FeatureBaseline(
        name=name,
        kind="category" if category else "number",
        edges=() if category else tuple(part["edges"]),
        categories=tuple(part["categories"]) if category else (),
        planned=tuple(part["planned"]),
        counts=tuple(part["counts"]),
    )
    edges = np.array(feature.edges)
    if not len(feature.bins) == len(feature.counts) == len(feature.planned):
        raise ValueError(f"{name} has not one count and one share for each bin")
    if min(feature.counts) < 0 or min(feature.planned) < 0 or (np.diff(edges) <= 0).any():
        raise ValueError(f"{name} has negative counts, or edges that do not rise")
    return feature


def _first_format(part: Mapping[str, Any], n: int) -> dict[str, Any]:
    """Bins and counts from the same rows, missing as a share, small counts left out."""
    missing = round(float(part.get("missing_share", 0.0)) * n)
    if "categories" in part:
        named: dict[str, int] = dict(part["categories"])
        counts = [missing, *named.values(), n - missing - sum(named.values())]
        bins: dict[str, Any] = {"categories": list(named)}
    else:
        edges = [float(edge) for edge in part["edges"]]
        given = [int(count) for count in part["counts"]]
        if len(given) == len(edges) - 1:  # scores had both outer edges
            edges = edges[1:-1]
        counts = [missing, *(given or [n - missing])]
        bins = {"edges": edges}
    return {**bins, "counts": counts, "planned": [c / max(sum(counts), 1) for c in counts]}


def _lost(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))
