"""What a running service needs of rollouts: the arms, a look from time to time, its readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from churnkit.domain.rollouts import RolloutFailure, RolloutWindow
from churnkit.inference.online import OnlineScorer
from churnkit.ledger.rollout_counts import add_windows
from churnkit.project import Project
from churnkit.usecases.operating.online import load_scorer
from churnkit.usecases.rollouts.arms import CHALLENGER as CHALLENGER
from churnkit.usecases.rollouts.arms import CHAMPION as CHAMPION
from churnkit.usecases.rollouts.arms import Arms, rollout_mark, running_arms
from churnkit.usecases.rollouts.arms import arms_mark as arms_mark
from churnkit.usecases.rollouts.verbs import advance_rollout


@dataclass(frozen=True, slots=True)
class LiveArms:
    """The running rollout with its challenger, warm."""

    arms: Arms
    challenger: OnlineScorer


def load_arms(project: Project, before: LiveArms | None) -> LiveArms | None:
    """The running rollout, ready to score; a challenger that is loaded already stays.

    Raises
    ------
    BundleError : the challenger's files are not what was admitted
    """
    arms = running_arms(project)
    if arms is None:
        return None
    if before is not None and before.challenger.version == arms.challenger:
        return LiveArms(arms, before.challenger)
    return LiveArms(arms, load_scorer(project, arms.challenger))


def look(project: Project, *, every_seconds: float) -> bool:
    """Look at the running rollout, unless another process just did; whether something changed."""
    if rollout_mark(project) is None:
        return False
    return advance_rollout(project, not_within_seconds=every_seconds / 2, past=False).acted


def record_failures(project: Project, failures: Sequence[RolloutFailure]) -> None:
    """Keep which predictions one model could not make."""
    with project.ledger.recording() as recording:
        recording.add_failures(failures)


def record_windows(project: Project, windows: Sequence[RolloutWindow]) -> None:
    """Keep how the models did in the last minute."""
    add_windows(project.ledger.engine, [window.model_dump() for window in windows])
