"""What `import churnkit` gives, what it costs, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys

import churnkit

HEAVY = (
    "PySide6", "mlflow", "shap", "sklearn", "aiohttp", "pandas", "numpy", "matplotlib",
    "sqlalchemy", "duckdb", "pyarrow", "pyspark",
)  # fmt: skip


def test_public_names_are_pinned() -> None:
    assert churnkit.__all__ == [
        "ChurnkitError", "Project", "open_project", "create_project", "import_data",
        "create_event_project", "LogOptions", "import_facts", "labels", "profile",
        "suggest_features", "list_features", "build_features", "show_features", "set_features",
        "customer_timeline", "export_features", "rebuild_online", "receive_events",
        "online_features", "train", "repeat", "retrain", "evaluate", "score",
        "contact_list", "explain",
        "list_models", "show_model",
        "promote",
        "rollback", "journal", "serving_at", "verify_models", "export_head",
        "preview_rollout", "start_rollout", "list_rollouts", "rollout_status", "advance_rollout",
        "pause_rollout", "resume_rollout", "promote_rollout", "abort_rollout", "replay_rollout",
        "rollout_history",
        "plan_experiment", "start_experiment", "experiments", "experiment_status",
        "assign_experiment", "stop_experiment", "experiment_history", "history",
        "import_outcomes", "outcome_status", "import_treatments", "set_holdout", "show_holdouts",
        "matured_pairs", "monitor", "erase", "retain",
        "write_report", "doctor", "simulate", "ChurnClassifier",
    ]  # fmt: skip
    for name in churnkit.__all__:
        assert getattr(churnkit, name).__doc__, name


def test_import_is_light_and_quick() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import churnkit;"
        "took = time.perf_counter() - start;"
        f"print([name for name in {HEAVY!r} if name in sys.modules], took < 0.3)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] True"


def test_mlflow_is_not_imported_to_look_at_a_project() -> None:
    code = (
        "import sys; import churnkit as ck; ck.score, ck.train, ck.explain, ck.list_models;"
        "print('mlflow' in sys.modules, 'shap' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False False"


def test_a_command_does_not_wait_for_what_trains() -> None:
    code = (
        "import sys; import churnkit.cli.main;"
        "print([name for name in ('sklearn', 'pandas', 'scipy.stats') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
