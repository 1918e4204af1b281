"""An experiment from the command line, from its size to its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import csv

from churnkit.data.samples.locate import telco_path
from tests.copies import copy_project

Cli = Callable[..., tuple[int, str, str]]
PLAN = """
kind = "treatments"
outcomes = ["retention", "revenue", "time_to_churn"]
revenue_cap = 300.0
population = "customers on a monthly contract"

[[arms]]
name = "control"
weight = 0.5

[[arms]]
name = "call"
weight = 0.5
offer = "a call"
cost = 2.0
"""


@pytest.fixture
def folder(served_folder: Path, tmp_path: Path) -> Path:
    """A project with a champion and a challenger."""
    target = tmp_path / "project"
    copy_project(served_folder, target)
    return target


def test_an_experiment_of_treatments_from_plan_to_stop(
    cli: Cli, folder: Path, tmp_path: Path
) -> None:
    plan, arms = tmp_path / "call.toml", tmp_path / "arms.csv"
    plan.write_text(PLAN)
    code, out, err = cli(
        "-C", folder, "experiment", "plan", plan, "--effect", 0.04, "--retention", 0.75,
        "--correlation", 0.4, "--per-day", 150, "--simulations", 200,
    )  # fmt: skip
    assert code == 0, err
    assert "look at any time" in out
    assert "one look at the end" in out
    code, out, err = cli("-C", folder, "experiment", "list")
    assert "No experiments yet" in out
    code, out, err = cli("-C", folder, "experiment", "start", plan, "--why", "does a call help?")
    assert code == 0, err
    assert "e1: call against control (treatments), running" in out
    code, out, err = cli("-C", folder, "experiment", "assign", telco_path(), "-o", arms)
    assert code == 0, err
    assert "7,043 of 7,043 customers entered e1" in out
    table = csv.read_csv(arms)
    assert table.num_rows == 7_043
    assert set(table["arm"].to_pylist()) == {"control", "call"}
    code, out, err = cli("-C", folder, "--json", "experiment", "status")
    told = json.loads(out)
    assert sum(arm["entered"] for arm in told["arms"]) == 7_043
    assert told["effects"][0]["estimate"] is None
    code, out, err = cli("-C", folder, "rollout", "start")
    assert code != 0
    assert "experiment e1 (of treatments) has not been stopped" in " ".join(err.split())
    code, out, err = cli("-C", folder, "experiment", "stop", "--why", "a try")
    assert code == 0, err
    assert "stopped" in out
    code, out, err = cli("-C", folder, "experiment", "assign", telco_path(), "-o", arms)
    assert code != 0
    assert "was stopped" in err
    code, out, err = cli("-C", folder, "experiment", "history")
    assert [word in out for word in ("start", "assign", "stop", "does a call help?")] == [True] * 4


def test_a_plan_with_a_mistake_is_named(cli: Cli, folder: Path, tmp_path: Path) -> None:
    plan = tmp_path / "bad.toml"
    plan.write_text(PLAN.replace("weight = 0.5", "weight = 0.4"))
    code, _, err = cli("-C", folder, "experiment", "start", plan)
    assert code != 0
    assert "add up to 1" in err
    assert "Traceback" not in err
