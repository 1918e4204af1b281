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
    from churnkit.usecases.contact_list import contact_list
    from churnkit.usecases.create import create_project
    from churnkit.usecases.create_events import create_event_project
    from churnkit.usecases.doctor import doctor
    from churnkit.usecases.erasing import erase
    from churnkit.usecases.evaluating import evaluate
    from churnkit.usecases.event_importing import import_facts
    from churnkit.usecases.event_receiving import receive_events
    from churnkit.usecases.experiment_assigning import assign_experiment
    from churnkit.usecases.experiment_sizes import plan_experiment
    from churnkit.usecases.experiments import (
        experiment_history,
        experiment_status,
        experiments,
        start_experiment,
        stop_experiment,
    )
    from churnkit.usecases.explaining import explain
    from churnkit.usecases.feature_building import build_features
    from churnkit.usecases.feature_editing import set_features
    from churnkit.usecases.feature_exporting import export_features
    from churnkit.usecases.feature_showing import show_features
    from churnkit.usecases.features import list_features, suggest_features
    from churnkit.usecases.history import history
    from churnkit.usecases.holdouts import set_holdout, show_holdouts
    from churnkit.usecases.importing import import_data
    from churnkit.usecases.labels import labels
    from churnkit.usecases.log_settings import LogOptions
    from churnkit.usecases.maturing import matured_pairs
    from churnkit.usecases.models import (
        export_head,
        journal,
        list_models,
        promote,
        rollback,
        serving_at,
        show_model,
        verify_models,
    )
    from churnkit.usecases.monitoring import monitor
    from churnkit.usecases.online_building import rebuild_online
    from churnkit.usecases.online_reading import online_features
    from churnkit.usecases.outcomes import import_outcomes, outcome_status
    from churnkit.usecases.profiling import profile
    from churnkit.usecases.reports import write_report
    from churnkit.usecases.retention import retain
    from churnkit.usecases.retraining import retrain
    from churnkit.usecases.rollout_forecasts import preview_rollout
    from churnkit.usecases.rollout_replaying import replay_rollout
    from churnkit.usecases.rollout_start import start_rollout
    from churnkit.usecases.rollouts import (
        abort_rollout,
        advance_rollout,
        list_rollouts,
        pause_rollout,
        promote_rollout,
        resume_rollout,
        rollout_history,
        rollout_status,
    )
    from churnkit.usecases.scoring import score
    from churnkit.usecases.simulating import simulate
    from churnkit.usecases.timelines import customer_timeline
    from churnkit.usecases.training import repeat, train
    from churnkit.usecases.treatments import import_treatments

_HOMES = {
    "ChurnkitError": "churnkit.errors",
    "Project": "churnkit.project",
    "open_project": "churnkit.project",
    "create_project": "churnkit.usecases.create",
    "import_data": "churnkit.usecases.importing",
    "create_event_project": "churnkit.usecases.create_events",
    "LogOptions": "churnkit.usecases.log_settings",
    "import_facts": "churnkit.usecases.event_importing",
    "labels": "churnkit.usecases.labels",
    "profile": "churnkit.usecases.profiling",
    "suggest_features": "churnkit.usecases.features",
    "list_features": "churnkit.usecases.features",
    "build_features": "churnkit.usecases.feature_building",
    "show_features": "churnkit.usecases.feature_showing",
    "set_features": "churnkit.usecases.feature_editing",
    "customer_timeline": "churnkit.usecases.timelines",
    "export_features": "churnkit.usecases.feature_exporting",
    "rebuild_online": "churnkit.usecases.online_building",
    "receive_events": "churnkit.usecases.event_receiving",
    "online_features": "churnkit.usecases.online_reading",
    "train": "churnkit.usecases.training",
    "repeat": "churnkit.usecases.training",
    "retrain": "churnkit.usecases.retraining",
    "evaluate": "churnkit.usecases.evaluating",
    "score": "churnkit.usecases.scoring",
    "contact_list": "churnkit.usecases.contact_list",
    "explain": "churnkit.usecases.explaining",
    "list_models": "churnkit.usecases.models",
    "show_model": "churnkit.usecases.models",
    "promote": "churnkit.usecases.models",
    "rollback": "churnkit.usecases.models",
    "journal": "churnkit.usecases.models",
    "serving_at": "churnkit.usecases.models",
    "verify_models": "churnkit.usecases.models",
    "export_head": "churnkit.usecases.models",
    "preview_rollout": "churnkit.usecases.rollout_forecasts",
    "start_rollout": "churnkit.usecases.rollout_start",
    "list_rollouts": "churnkit.usecases.rollouts",
    "rollout_status": "churnkit.usecases.rollouts",
    "advance_rollout": "churnkit.usecases.rollouts",
    "pause_rollout": "churnkit.usecases.rollouts",
    "resume_rollout": "churnkit.usecases.rollouts",
    "promote_rollout": "churnkit.usecases.rollouts",
    "abort_rollout": "churnkit.usecases.rollouts",
    "replay_rollout": "churnkit.usecases.rollout_replaying",
    "rollout_history": "churnkit.usecases.rollouts",
    "plan_experiment": "churnkit.usecases.experiment_sizes",
    "start_experiment": "churnkit.usecases.experiments",
    "experiments": "churnkit.usecases.experiments",
    "experiment_status": "churnkit.usecases.experiments",
    "assign_experiment": "churnkit.usecases.experiment_assigning",
    "stop_experiment": "churnkit.usecases.experiments",
    "experiment_history": "churnkit.usecases.experiments",
    "history": "churnkit.usecases.history",
    "import_outcomes": "churnkit.usecases.outcomes",
    "outcome_status": "churnkit.usecases.outcomes",
    "import_treatments": "churnkit.usecases.treatments",
    "set_holdout": "churnkit.usecases.holdouts",
    "show_holdouts": "churnkit.usecases.holdouts",
    "matured_pairs": "churnkit.usecases.maturing",
    "monitor": "churnkit.usecases.monitoring",
    "erase": "churnkit.usecases.erasing",
    "retain": "churnkit.usecases.retention",
    "write_report": "churnkit.usecases.reports",
    "doctor": "churnkit.usecases.doctor",
    "simulate": "churnkit.usecases.simulating",
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
