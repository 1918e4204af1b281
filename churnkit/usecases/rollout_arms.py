"""Who answers whom now: the running rollout's assignment, the same in every place that scores."""

from __future__ import annotations

from dataclasses import dataclass

from churnkit.domain.rollouts import RolloutRow
from churnkit.ledger.rollouts import open_rollout, open_rollout_mark, read_overrides
from churnkit.project import Project
from churnkit.registry.journal import holders
from churnkit.rollout.assignment import CHALLENGER as CHALLENGER
from churnkit.rollout.assignment import CHAMPION as CHAMPION
from churnkit.rollout.assignment import Assignment, rollout_assignment
from churnkit.usecases.rollout_steps import plan_of, position_of


@dataclass(frozen=True, slots=True)
class Arms:
    """The two models of a running rollout, and how customers are shared out."""

    rollout_id: str
    revision: int
    champion: str
    challenger: str
    assignment: Assignment
    share: float
    """The challenger's."""

    @property
    def shadow_only(self) -> bool:
        """Whether the champion answers everybody."""
        return self.share == 0 and CHALLENGER not in self.assignment.overrides.values()

    def version(self, arm: str) -> str:
        """The model version of an arm."""
        return self.challenger if arm == CHALLENGER else self.champion


def running_arms(project: Project) -> Arms | None:
    """The rollout that shares customers out now.

    None also where the champion was changed outside of it: the model that serves answers alone
    until the controller has seen it.
    """
    row = open_rollout(project.ledger.engine)
    if row is None or holders(project.ledger.journal())["champion"] != row.champion:
        return None
    return arms_of(project, row)


def arms_of(project: Project, row: RolloutRow) -> Arms:
    """The assignment of a rollout as it stands."""
    share = position_of(row).share(plan_of(row))
    return Arms(
        rollout_id=row.rollout_id,
        revision=row.revision,
        champion=row.champion,
        challenger=row.challenger,
        assignment=rollout_assignment(
            salt=row.salt,
            challenger_share=share,
            overrides=read_overrides(project.ledger.engine, row.rollout_id),
        ),
        share=share,
    )


def arms_mark(project: Project) -> tuple[str, int] | None:
    """Changes whenever ``running_arms`` may: name and revision of the open rollout."""
    return open_rollout_mark(project.ledger.engine)
