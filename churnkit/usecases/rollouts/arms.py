"""Who answers whom now: the assignment of what runs, the same in every place that scores.

A rollout or an experiment of models shares customers out, never both. What follows calls both by
the rollout's words: ``rollout_id`` may name an experiment, and its second model is a challenger.
"""

from __future__ import annotations

from dataclasses import dataclass

from churnkit.domain.experiments import ExperimentRow
from churnkit.domain.rollouts import RolloutRow
from churnkit.ledger.experiments import open_experiments, serving_experiment_mark
from churnkit.ledger.rollouts import open_rollout, open_rollout_mark, read_overrides
from churnkit.project import Project
from churnkit.registry.journal import holders
from churnkit.rollout.assignment import CHALLENGER as CHALLENGER
from churnkit.rollout.assignment import CHAMPION as CHAMPION
from churnkit.rollout.assignment import Assignment, rollout_assignment
from churnkit.usecases.experiments.entries import serving_assignment
from churnkit.usecases.rollouts.steps import plan_of, position_of


@dataclass(frozen=True, slots=True)
class Arms:
    """The two models of what runs, and how customers are shared out."""

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
    """The rollout, or experiment of models, that shares customers out now.

    None also where the champion was changed outside of it: the model that serves answers alone
    until the controller, or a person, has seen it.
    """
    engine = project.ledger.engine
    row = open_rollout(engine)
    arms = None if row is None else arms_of(project, row)
    if arms is None:
        found = (one for one in open_experiments(engine) if one.kind == "models")
        experiment = next(found, None)
        arms = None if experiment is None else experiment_arms(experiment)
    if arms is None or holders(project.ledger.journal())["champion"] != arms.champion:
        return None
    return arms


def experiment_arms(row: ExperimentRow) -> Arms:
    """The assignment of an experiment of models, under the names by which models answer."""
    assignment = serving_assignment(row)
    return Arms(
        rollout_id=row.experiment_id,
        revision=1,
        champion=row.champion,
        challenger=next(one for one in row.versions.values() if one != row.champion),
        assignment=assignment,
        share=dict(assignment.weights)[CHALLENGER],
    )


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


def arms_mark(project: Project) -> tuple[object, object]:
    """Changes whenever ``running_arms`` may: the open rollout's revision, the open experiment."""
    engine = project.ledger.engine
    return rollout_mark(project), serving_experiment_mark(engine)


def rollout_mark(project: Project) -> tuple[str, int] | None:
    """Name and revision of the open rollout; None: none runs."""
    return open_rollout_mark(project.ledger.engine)
