"""A rollout from the command line: both models score a file, and each customer has his arm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from pyarrow import csv

import churnkit as ck
from churnkit.data.samples.locate import telco_path
from churnkit.ledger.tables import predictions, rollout_failures
from churnkit.usecases.demonstration.rollouts import demo_rollout
from churnkit.usecases.rollouts.arms import running_arms
from tests.copies import copy_project

Cli = Callable[..., tuple[int, str, str]]
ROWS = 300


@pytest.fixture
def folder(served_folder: Path, tmp_path: Path) -> Path:
    """A project with a champion and a challenger."""
    target = tmp_path / "project"
    copy_project(served_folder, target)
    return target


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    """Some customers."""
    path = tmp_path / "customers.csv"
    lines = telco_path().read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: ROWS + 1]), encoding="utf-8")
    return path


def _rows(folder: Path, table: sa.Table = predictions) -> list[sa.RowMapping]:
    with ck.open_project(folder) as project, project.ledger.reading() as connection:
        return list(connection.execute(sa.select(table)).mappings())


def test_a_file_is_shared_out_and_both_scores_are_recorded(
    cli: Cli, folder: Path, customers: Path, tmp_path: Path
) -> None:
    table = csv.read_csv(customers)
    ids = table["customerID"].to_pylist()
    overrides = tmp_path / "overrides.csv"
    overrides.write_text("customer_id,arm\n" + "".join(f"{name},challenger\n" for name in ids[:90]))
    code, out, err = cli(
        "-C", folder, "rollout", "start", "--overrides", overrides, "--override",
        f"{ids[0]}=champion", "--customers", 5000, "--per-day", 100, "--why", "a first look",
    )  # fmt: skip
    assert code == 0, err
    assert "stage 'shadow'" in out
    assert "Forecast at the start: 5,000 customers" in " ".join(out.split())

    code, out, err = cli("-C", folder, "score", customers, "-o", tmp_path / "s.csv", "--record")
    assert code == 0, err
    assert "Rollout r1 shared them out: champion 211, challenger 89." in out
    scores = csv.read_csv(tmp_path / "s.csv").to_pylist()
    with ck.open_project(folder) as project:
        arms = running_arms(project)
        assert arms is not None
        # The library gives the same: what is drawn depends on the salt and the customer alone.
        again = ck.score(project, customers, reasons=0).to_pandas()
        alone = {
            version: ck.score(project, customers, reasons=0, version=version).to_pandas()
            for version in ("v1", "v2")
        }
    assert again["variant"].tolist() == [row["variant"] for row in scores]
    for i, row in enumerate(scores):
        arm = arms.assignment.arm(row["customer_id"])
        assert row["variant"] == arm
        assert row["model_version"] == arms.version(arm)
        assert row["probability"] == pytest.approx(alone[arms.version(arm)]["probability"][i])
        assert row["reason_1"]
    recorded = _rows(folder)
    answers = {r["prediction_id"]: r for r in recorded if r["shadow_of"] is None}
    shadows = [r for r in recorded if r["shadow_of"] is not None]
    assert len(answers) == len(shadows) == ROWS
    place = {name: i for i, name in enumerate(ids)}
    for shadow in shadows:
        answer = answers[shadow["shadow_of"]]
        i = place[answer["customer_id"]]
        assert answer["rollout_id"] == shadow["rollout_id"] == "r1"
        for one in (answer, shadow):
            assert one["probability"] == pytest.approx(
                alone[one["model_version"]]["probability"][i]
            )

    code, out, _ = cli("-C", folder, "rollout", "advance", "--json")
    assert code == 0
    told = json.loads(out)["rollout"]
    assert told["decision"]["verdict"] == "wait"
    code, out, _ = cli("-C", folder, "rollout", "status")
    assert code == 0
    assert "0 matured pairs" in out
    assert cli("-C", folder, "rollout", "abort", "--why", "enough seen")[0] == 0
    code, out, _ = cli("-C", folder, "rollout", "history")
    assert code == 0
    assert "enough seen" in " ".join(out.split())
    code, out, _ = cli("-C", folder, "models", "history")
    assert "abort: rollout r1" in " ".join(out.split())
    code, _, err = cli("-C", folder, "rollout", "replay")
    assert code == 2
    assert "no pair of r1 has matured" in err
    code, _, err = cli("-C", folder, "rollout", "resume", "--why", "no")
    assert code == 2
    assert "was aborted" in err
    # Without a rollout the champion alone answers, and no column says who did.
    assert cli("-C", folder, "score", customers, "-o", tmp_path / "t.csv")[0] == 0
    assert "variant" not in csv.read_csv(tmp_path / "t.csv").column_names


def test_a_challenger_that_cannot_read_the_file_costs_nobody_his_score(
    cli: Cli, folder: Path, customers: Path, tmp_path: Path
) -> None:
    assert cli("-C", folder, "rollout", "start")[0] == 0
    (folder / "store" / "bundles" / "v2" / "schema.json").write_text("{}")
    code, out, err = cli("-C", folder, "score", customers, "-o", tmp_path / "s.csv", "--record")
    assert code == 0, err
    assert "The champion answered for the challenger" in out
    assert len(_rows(folder)) == ROWS
    assert {row["why"] for row in _rows(folder, rollout_failures)} == {"bundle_tampered"}
    assert len(_rows(folder, rollout_failures)) == ROWS


@pytest.mark.long
def test_the_demos_good_challenger_is_promoted_and_its_bad_one_stopped(tmp_path: Path) -> None:
    shown: list[str] = []
    made = demo_rollout(tmp_path, tell=lambda heading, _: shown.append(heading))
    assert made.outcomes == {"r1": "promoted", "r2": "aborted"}
    assert made.plot.stat().st_size > 10_000
    assert len(shown) == 4
    assert demo_rollout(tmp_path).outcomes == made.outcomes  # and is not done again
