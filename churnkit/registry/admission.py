"""The gate: a model is admitted only if all of its paths say the same."""

from __future__ import annotations

import math
from collections.abc import Mapping

from churnkit.errors import ParityFailed

LIMIT = 1e-12


def check_parity(differences: Mapping[str, float], *, limit: float = LIMIT) -> None:
    """Compare the largest absolute differences of probabilities with the limit.

    Parameters
    ----------
    differences : by the rows that were compared; not-a-number counts as different

    Raises
    ------
    ParityFailed : one is above the limit; the message names it
    """
    for rows, difference in differences.items():
        if math.isnan(difference) or difference > limit:
            raise ParityFailed(
                f"the compiled model differs from scikit-learn by {difference:.3g} on {rows}; "
                f"{limit:g} is allowed.",
                fix="Train again without this candidate ([training].candidates), and report it.",
            )
