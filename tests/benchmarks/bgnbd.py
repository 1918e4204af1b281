"""BG/NBD, the usual model for customers without a contract, as a peer in benchmarks.

Formulas: Fader, Hardie and Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science
24(2): the likelihood (their equation 6) and the probability of being alive. While alive, nobody
buys within t days with probability ((alpha + T) / (alpha + T + t)) ** (r + x): the rate is gamma
distributed given x purchases in T days.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import betaln, gammaln

Floats = npt.NDArray[np.float64]


class BetaGeometric:
    """Fitted by maximum likelihood on what customers did until one date.

    Parameters
    ----------
    x : shape (n,), days with purchases after the first one
    last : shape (n,), days from the first to the last of them
    age : shape (n,), days since the first
    """

    def __init__(self, x: Floats, last: Floats, age: Floats) -> None:
        found = minimize(
            lambda logs: -np.mean(_log_likelihood(np.exp(logs), x, last, age)),
            np.log([0.3, 4.0, 0.8, 2.5]),
            method="L-BFGS-B",
            bounds=[(-6.0, 6.0)] * 4,
        )
        self.parameters: Floats = np.exp(found.x)

    def stays_away(self, x: Floats, last: Floats, age: Floats, *, days: float) -> Floats:
        """The probability of no purchase in the next days, shape (n,), in [0, 1]."""
        r, alpha, a, b = self.parameters
        gone = np.where(
            x > 0,
            a / (b + np.maximum(x, 1) - 1) * ((alpha + age) / (alpha + last)) ** (r + x),
            0.0,
        )
        alive = 1 / (1 + gone)
        return 1 - alive + alive * ((alpha + age) / (alpha + age + days)) ** (r + x)


def _log_likelihood(parameters: Floats, x: Floats, last: Floats, age: Floats) -> Floats:
    r, alpha, a, b = parameters
    bought = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    alive = -(r + x) * np.log(alpha + age)
    gone = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + last)
    return bought + np.where(x > 0, np.logaddexp(alive, gone), alive)
