"""Has a stream the reference's distribution? An exact bet against Pólya's urn.

Order all values of a feature by bin, and within a bin by a uniform random number of each row. If
the n reference rows and the stream are exchangeable, the place of row n + t among the n + t − 1
before it is uniform and independent of the earlier places (Rényi 1962). So it falls into one of
the n + 1 slots between reference rows with probability (1 + rows of the stream in that slot) /
(n + t): Pólya's urn, whatever the distribution, with the reference's own sampling error in it.

Cells join neighbouring slots; their borders are slot numbers fixed before the reference was
counted. With a cell's a slots, the cells Z of the stream are Dirichlet-multinomial(a), and

    E = Σ_c w_c · DirichletMultinomial(Z; α_c) / DirichletMultinomial(Z; a)

is a martingale of mean 1 for any fixed w and α (Ville 1939: P(ever E >= 1/α) <= α).

Only counts per bin are known, but they suffice: the reference's places within a bin are uniform
order statistics, drawn once; later rows of a bin are dealt to cells by the gaps between them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp, ndtri

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SPREADS = np.array([5.0, 20.0, 80.0, 320.0, 1280.0])
"""Drift of no particular shape: Dirichlet around the reference, with these concentrations."""
TILTS = np.array([-1.0, -0.5, -0.25, -0.125, 0.125, 0.25, 0.5, 1.0])
"""Drift along a direction: shares times exp(tilt · direction)."""
_NAMED_CELLS = 6
_REMEMBERED = 16


def slots_of_cells(planned: Floats, n_reference: int) -> Ints:
    """How many of the n + 1 slots belong to each cell; both ends have at least one.

    Parameters
    ----------
    planned : shape (n_cells,), shares that the rows had which decided the bins

    Returns
    -------
    slots : shape (n_cells,), >= 0, summing to n_reference + 1
    """
    total = n_reference + 1
    borders = np.round(np.cumsum(planned) / max(float(planned.sum()), 1e-300) * total)
    slots: Ints = np.diff(borders.astype(np.int64), prepend=0).astype(np.int64)
    # What was never seen (missing, another category) gets the narrowest cell there is.
    slots[0] = max(slots[0], 1)
    slots[-1] = max(slots[-1], 1)
    widest = int(np.argmax(slots))
    slots[widest] += total - int(slots.sum())
    if slots[widest] < 1:  # hardly any reference: one cell, and nothing will be found
        slots = np.zeros_like(slots)
        slots[0] = total
    return slots


def dealing(counts: Ints, slots: Ints, rng: np.random.Generator) -> Floats:
    """The share of each bin's rows that goes to each cell, shape (n_bins, n_cells).

    A row lies above the r-th reference row if its random number is above that row's. The numbers
    of the reference rows at the cells' borders are drawn here: Dirichlet spacings.

    Parameters
    ----------
    counts : shape (n_bins,), reference rows
    slots : shape (n_cells,), from ``slots_of_cells``
    """
    borders = np.cumsum(slots)[:-1]  # a row is beyond cell c if above reference row borders[c]
    below = np.concatenate([[0], np.cumsum(counts)])
    shares = np.zeros((len(counts), len(slots)))
    for j, n_inside in enumerate(counts):
        passed = int(np.searchsorted(borders, below[j], side="right"))
        inside = borders[(borders > below[j]) & (borders <= below[j + 1])] - below[j]
        gaps = np.diff(np.concatenate([[0], inside, [n_inside + 1]]))
        lengths = rng.standard_gamma(gaps)
        shares[j, passed : passed + len(gaps)] = lengths / lengths.sum()
    return shares


def directions(slots: Ints, *, ordered: bool) -> Floats:
    """Directions of drift: what to multiply the logarithm of each cell's share by.

    For ordered cells: location and scale (normal scores of the cells' middles), and the share of
    the missing, which come first. Else the share of each of the largest cells and of both ends.

    Parameters
    ----------
    slots : shape (n_cells,)

    Returns
    -------
    directions : shape (n_directions, n_cells)
    """
    n_cells = len(slots)
    if not ordered:
        # Missing and all others together are the two ends.
        named = {0, n_cells - 1, *np.argsort(-slots)[:_NAMED_CELLS].tolist()}
        return np.eye(n_cells)[sorted(named)]
    share = slots / slots.sum()
    inner = share.copy()
    inner[0] = 0.0
    total = max(float(inner.sum()), 1e-300)
    middle = (np.cumsum(inner) - inner / 2) / total
    location = ndtri(np.clip(middle, 1e-4, 1 - 1e-4))
    rows = [np.eye(n_cells)[0]]
    for raw in (location, location**2):
        mean = float((inner * raw).sum()) / total
        spread = np.sqrt(float((inner * (raw - mean) ** 2).sum()) / total)
        if spread > 1e-6:
            rows.append(np.where(np.arange(n_cells) > 0, (raw - mean) / spread, 0.0))
    return np.array(rows)


class Bets:
    """The alternatives for several features at once, padded to the widest.

    Parameters
    ----------
    slots : one array of slots per feature
    ordered : whether the feature's cells have an order
    """

    def __init__(self, slots: list[Ints], ordered: list[bool]) -> None:
        n_cells = max(len(part) for part in slots)
        found = [directions(s, ordered=o) for s, o in zip(slots, ordered, strict=True)]
        n_directions = max(len(part) for part in found)
        self.slots = np.zeros((len(slots), n_cells))
        self.directions = np.zeros((n_directions, len(slots), n_cells))
        log_prior = np.full((n_directions, len(slots)), -np.inf)
        for i, (part, rows) in enumerate(zip(slots, found, strict=True)):
            self.slots[i, : len(part)] = part
            self.directions[: len(rows), i, : len(part)] = rows
            log_prior[: len(rows), i] = -np.log(2 * len(rows) * len(TILTS))
        # Half on drift of any shape, half along the directions.
        general = np.full((len(SPREADS), len(slots)), -np.log(2 * len(SPREADS)))
        self.log_prior = np.concatenate([general, np.tile(log_prior, (len(TILTS), 1))])
        # A bet that goes on begins from the same urns at each look.
        self._urns = lru_cache(maxsize=_REMEMBERED)(self._begun)

    def log_evidence(self, before: Floats, since: Floats) -> Floats:
        """The logarithm of E for a stream of which ``before`` belongs to the reference.

        Parameters
        ----------
        before, since : shape (n_features, n_cells), rows of the stream in each cell, until the
            bet began and from then on

        Returns
        -------
        log_e : shape (n_features,)
        """
        null, alternatives = self._urns(before.astype(np.float64).tobytes())
        n = since.sum(axis=1)
        gain = alternatives.log_probability(since, n) - null.log_probability(since, n)
        told: Floats = logsumexp(self.log_prior + gain, axis=0)
        return told

    def _begun(self, before: bytes) -> tuple[_Urns, _Urns]:
        """The reference's urn, and those of the bets, when ``before`` had been seen."""
        urn = self.slots + np.frombuffer(before).reshape(self.slots.shape)
        total = urn.sum(axis=1)
        centre = urn / total[:, None]
        # The reference is one sample of its distribution: the bet is wider by its error.
        general = 1 / (1 / total + 1 / SPREADS[:, None])
        tilted = centre * np.exp(TILTS[:, None, None, None] * self.directions)
        tilted /= tilted.sum(axis=-1, keepdims=True)
        tilted = tilted.reshape(-1, *centre.shape)
        shares = np.concatenate([np.broadcast_to(centre, (len(SPREADS), *centre.shape)), tilted])
        concentrations = np.concatenate(
            [general, np.broadcast_to(total, (len(tilted), len(total)))]
        )
        return _Urns(urn, total), _Urns(concentrations[..., None] * shares, concentrations)


class _Urns:
    """Urns of shape (…, n_features, n_cells), with what does not depend on the stream."""

    def __init__(self, held: Floats, total: Floats) -> None:
        # A cell without slots is never drawn; any number does.
        self._held = np.where(held > 0, held, 1.0)
        self._total = total
        self._start = gammaln(total) - gammaln(self._held).sum(axis=-1)

    def log_probability(self, seen: Floats, n: Floats) -> Floats:
        """The logarithm of the probability to draw n rows into ``seen``, in one order."""
        rising: Floats = gammaln(self._held + seen).sum(axis=-1)
        result: Floats = self._start + rising - gammaln(self._total + n)
        return result
