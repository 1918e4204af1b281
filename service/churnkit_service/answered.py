"""An answer to a request for predictions, on its way to be committed and sent."""

from __future__ import annotations

from typing import NamedTuple

from churnkit.domain.recording import PredictionColumns
from churnkit.domain.rollouts import RolloutFailure
from churnkit_service.shadows import Shadowed


class Answered(NamedTuple):
    """An answer, and what belongs to it."""

    body: bytes
    parts: tuple[PredictionColumns, ...]
    """To be committed before it is sent; in a rollout one for each model that answered."""
    shadows: tuple[Shadowed, ...] = ()
    """For the silent model, once they are committed."""
    failures: tuple[RolloutFailure, ...] = ()
    """What a rollout's challenger could not answer."""
