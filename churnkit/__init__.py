"""churnkit: whom to keep, when, with what offer, and whether the new model may take over.

The public names are loaded when they are used, so that ``import churnkit`` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from churnkit.errors import ChurnkitError
    from churnkit.project import Project, open_project
    from churnkit.training.estimator import ChurnClassifier
    from churnkit.usecases.erasing.retention import retain
    from churnkit.usecases.erasing.verbs import erase
    from churnkit.usecases.experiments.assigning import assign_experiment
    from churnkit.usecases.experiments.sizes import plan_experiment
    from churnkit.usecases.experiments.verbs import (
        experiment_history,
        experiment_status,
        experiments,
        start_experiment,
        stop_experiment,
    )
    from churnkit.usecases.features.building import build_features
    from churnkit.usecases.features.editing import set_features
    from churnkit.usecases.features.exporting import export_features
    from churnkit.usecases.features.feature_set import list_features, suggest_features
    from churnkit.usecases.features.labels import labels
    from churnkit.usecases.features.showing import show_features
    from churnkit.usecases.features.timelines import customer_timeline
    from churnkit.usecases.models.reports import write_report
    from churnkit.usecases.models.verbs import (
        export_head,
        journal,
        list_models,
        promote,
        rollback,
        serving_at,
        show_model,
        verify_models,
    )
    from churnkit.usecases.monitoring.verbs import monitor
    from churnkit.usecases.online.building import rebuild_online
    from churnkit.usecases.online.reading import online_features
    from churnkit.usecases.online.receiving import receive_events
    from churnkit.usecases.operating.doctor import doctor
    from churnkit.usecases.outcomes.holdouts import set_holdout, show_holdouts
    from churnkit.usecases.outcomes.maturing import matured_pairs
    from churnkit.usecases.outcomes.treatments import import_treatments
    from churnkit.usecases.outcomes.verbs import import_outcomes, outcome_status
    from churnkit.usecases.projects.create import create_project
    from churnkit.usecases.projects.create_events import create_event_project
    from churnkit.usecases.projects.event_importing import import_facts
    from churnkit.usecases.projects.importing import import_data
    from churnkit.usecases.projects.log_settings import LogOptions
    from churnkit.usecases.projects.profiling import profile
    from churnkit.usecases.projects.simulating import simulate
    from churnkit.usecases.rollouts.forecasts import preview_rollout
    from churnkit.usecases.rollouts.replaying import replay_rollout
    from churnkit.usecases.rollouts.start import start_rollout
    from churnkit.usecases.rollouts.verbs import (
        abort_rollout,
        advance_rollout,
        list_rollouts,
        pause_rollout,
        promote_rollout,
        resume_rollout,
        rollout_history,
        rollout_status,
    )
    from churnkit.usecases.scoring.contact_list import contact_list
    from churnkit.usecases.scoring.explaining import explain
    from churnkit.usecases.scoring.history import history
    from churnkit.usecases.scoring.verbs import score
    from churnkit.usecases.training.evaluating import evaluate
    from churnkit.usecases.training.retraining import retrain
    from churnkit.usecases.training.verbs import repeat, train

_HOMES = {
    "ChurnkitError": "churnkit.errors",
    "Project": "churnkit.project",
    "open_project": "churnkit.project",
    "create_project": "churnkit.usecases.projects.create",
    "import_data": "churnkit.usecases.projects.importing",
    "create_event_project": "churnkit.usecases.projects.create_events",
    "LogOptions": "churnkit.usecases.projects.log_settings",
    "import_facts": "churnkit.usecases.projects.event_importing",
    "labels": "churnkit.usecases.features.labels",
    "profile": "churnkit.usecases.projects.profiling",
    "suggest_features": "churnkit.usecases.features.feature_set",
    "list_features": "churnkit.usecases.features.feature_set",
    "build_features": "churnkit.usecases.features.building",
    "show_features": "churnkit.usecases.features.showing",
    "set_features": "churnkit.usecases.features.editing",
    "customer_timeline": "churnkit.usecases.features.timelines",
    "export_features": "churnkit.usecases.features.exporting",
    "rebuild_online": "churnkit.usecases.online.building",
    "receive_events": "churnkit.usecases.online.receiving",
    "online_features": "churnkit.usecases.online.reading",
    "train": "churnkit.usecases.training.verbs",
    "repeat": "churnkit.usecases.training.verbs",
    "retrain": "churnkit.usecases.training.retraining",
    "evaluate": "churnkit.usecases.training.evaluating",
    "score": "churnkit.usecases.scoring.verbs",
    "contact_list": "churnkit.usecases.scoring.contact_list",
    "explain": "churnkit.usecases.scoring.explaining",
    "list_models": "churnkit.usecases.models.verbs",
    "show_model": "churnkit.usecases.models.verbs",
    "promote": "churnkit.usecases.models.verbs",
    "rollback": "churnkit.usecases.models.verbs",
    "journal": "churnkit.usecases.models.verbs",
    "serving_at": "churnkit.usecases.models.verbs",
    "verify_models": "churnkit.usecases.models.verbs",
    "export_head": "churnkit.usecases.models.verbs",
    "preview_rollout": "churnkit.usecases.rollouts.forecasts",
    "start_rollout": "churnkit.usecases.rollouts.start",
    "list_rollouts": "churnkit.usecases.rollouts.verbs",
    "rollout_status": "churnkit.usecases.rollouts.verbs",
    "advance_rollout": "churnkit.usecases.rollouts.verbs",
    "pause_rollout": "churnkit.usecases.rollouts.verbs",
    "resume_rollout": "churnkit.usecases.rollouts.verbs",
    "promote_rollout": "churnkit.usecases.rollouts.verbs",
    "abort_rollout": "churnkit.usecases.rollouts.verbs",
    "replay_rollout": "churnkit.usecases.rollouts.replaying",
    "rollout_history": "churnkit.usecases.rollouts.verbs",
    "plan_experiment": "churnkit.usecases.experiments.sizes",
    "start_experiment": "churnkit.usecases.experiments.verbs",
    "experiments": "churnkit.usecases.experiments.verbs",
    "experiment_status": "churnkit.usecases.experiments.verbs",
    "assign_experiment": "churnkit.usecases.experiments.assigning",
    "stop_experiment": "churnkit.usecases.experiments.verbs",
    "experiment_history": "churnkit.usecases.experiments.verbs",
    "history": "churnkit.usecases.scoring.history",
    "import_outcomes": "churnkit.usecases.outcomes.verbs",
    "outcome_status": "churnkit.usecases.outcomes.verbs",
    "import_treatments": "churnkit.usecases.outcomes.treatments",
    "set_holdout": "churnkit.usecases.outcomes.holdouts",
    "show_holdouts": "churnkit.usecases.outcomes.holdouts",
    "matured_pairs": "churnkit.usecases.outcomes.maturing",
    "monitor": "churnkit.usecases.monitoring.verbs",
    "erase": "churnkit.usecases.erasing.verbs",
    "retain": "churnkit.usecases.erasing.retention",
    "write_report": "churnkit.usecases.models.reports",
    "doctor": "churnkit.usecases.operating.doctor",
    "simulate": "churnkit.usecases.projects.simulating",
    "ChurnClassifier": "churnkit.training.estimator",
}

__all__ = [
    "ChurnkitError",
    "Project",
    "open_project",
    "create_project",
    "import_data",
    "create_event_project",
    "LogOptions",
    "import_facts",
    "labels",
    "profile",
    "suggest_features",
    "list_features",
    "build_features",
    "show_features",
    "set_features",
    "customer_timeline",
    "export_features",
    "rebuild_online",
    "receive_events",
    "online_features",
    "train",
    "repeat",
    "retrain",
    "evaluate",
    "score",
    "contact_list",
    "explain",
    "list_models",
    "show_model",
    "promote",
    "rollback",
    "journal",
    "serving_at",
    "verify_models",
    "export_head",
    "preview_rollout",
    "start_rollout",
    "list_rollouts",
    "rollout_status",
    "advance_rollout",
    "pause_rollout",
    "resume_rollout",
    "promote_rollout",
    "abort_rollout",
    "replay_rollout",
    "rollout_history",
    "plan_experiment",
    "start_experiment",
    "experiments",
    "experiment_status",
    "assign_experiment",
    "stop_experiment",
    "experiment_history",
    "history",
    "import_outcomes",
    "outcome_status",
    "import_treatments",
    "set_holdout",
    "show_holdouts",
    "matured_pairs",
    "monitor",
    "erase",
    "retain",
    "write_report",
    "doctor",
    "simulate",
    "ChurnClassifier",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"churnkit has no '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
