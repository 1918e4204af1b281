"""From a CSV to scores with reasons, as a user of the command line does it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pytest
from pyarrow import csv, parquet

import churnkit as ck
from churnkit.domain.progress import Step
from churnkit.ledger.store import Ledger

Cli = Callable[..., tuple[int, str, str]]


def test_init_prints_each_guess_with_its_ground(cli: Cli, customers: Path, tmp_path: Path) -> None:
    code, out, err = cli("init", tmp_path / "p", "--data", customers)
    assert code == 0, err
    assert "customerID" in out
    assert "Churn" in out
    assert "its name speaks of leaving" in " ".join(out.split())
    assert (tmp_path / "p" / "churnkit.toml").exists()


def test_init_without_a_terminal_fails_with_the_choices(cli: Cli, tmp_path: Path) -> None:
    data = tmp_path / "two.csv"
    rows = "".join(f"{i},{i % 2},{(i // 2) % 2}\n" for i in range(60))
    data.write_text("id,won,lost\n" + rows, encoding="utf-8")
    code, _, err = cli("init", tmp_path / "p", "--data", data)
    assert code == 2
    assert "won, lost" in err
    assert "--target" in err
    assert "Traceback" not in err
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("profile",),
        ("evaluate",),
        ("explain", "--customer", "7590-VHVEG"),
        ("models", "list"),
        ("models", "show"),
        ("models", "history"),
        ("models", "verify"),
        ("history", "--customer", "7590-VHVEG"),
        ("report",),
        ("doctor",),
        ("import", "--compare"),
    ],
    ids=" ".join,
)
def test_json_is_all_that_stdout_holds(
    cli: Cli, project: ck.Project, command: tuple[str, ...]
) -> None:
    code, out, err = cli(*command, "-C", project.folder, "--json")
    assert code == 0, err
    assert isinstance(json.loads(out), dict)
    # The options may stand before the command, too.
    code, again, err = cli("-C", project.folder, "--json", *command)
    assert code == 0, err
    assert json.loads(again).keys() == json.loads(out).keys()


@pytest.mark.parametrize(
    "command",
    [("profile",), ("evaluate",), ("models", "list"), ("models", "history"), ("doctor",)],
    ids=" ".join,
)
def test_a_person_can_read_it(cli: Cli, project: ck.Project, command: tuple[str, ...]) -> None:
    code, out, err = cli(*command, "-C", project.folder)
    assert code == 0, err
    assert len(out.splitlines()) >= 2
    assert max(len(line) for line in out.splitlines()) <= 100


def test_scores_are_the_same_in_every_format(
    cli: Cli, project: ck.Project, customers: Path, tmp_path: Path
) -> None:
    as_csv, as_parquet = tmp_path / "s.csv", tmp_path / "s.parquet"
    rewritten = tmp_path / "customers.parquet"
    parquet.write_table(csv.read_csv(customers), rewritten)
    code, _, err = cli("-C", project.folder, "score", customers, "-o", as_parquet)
    assert code == 0, err
    code, _, err = cli("-C", project.folder, "score", rewritten, "-o", as_csv)
    assert code == 0, err
    ours, theirs = parquet.read_table(as_parquet), csv.read_csv(as_csv)
    assert ours.column_names[:4] == ["customer_id", "probability", "risk_band", "model_version"]
    assert ours["customer_id"].to_pylist() == theirs["customer_id"].to_pylist()
    assert ours["probability"].to_pylist() == theirs["probability"].to_pylist()
    assert ours["customer_id"].to_pylist() == csv.read_csv(customers)["customerID"].to_pylist()


def test_reasons_are_three_for_few_rows_none_for_many(
    project: ck.Project, customers: Path, tmp_path: Path
) -> None:
    few = ck.score(project, customers)
    assert few.reasons == 3
    assert {"reason_1", "reason_2", "reason_3"} <= set(few.table.column_names)
    lines = customers.read_text(encoding="utf-8").splitlines(keepends=True)
    many = tmp_path / "many.csv"
    many.write_text(lines[0] + "".join(lines[1:]) * 6, encoding="utf-8")
    scored = ck.score(project, many)
    assert scored.n_rows > 10_000
    assert scored.reasons == 0
    assert scored.table.column_names == [
        "customer_id",
        "probability",
        "risk_band",
        "model_version",
    ]
    asked = ck.score(project, customers, reasons=1)
    assert "reason_1" in asked.table.column_names
    assert "reason_2" not in asked.table.column_names


def test_explanation_adds_up_to_the_score(project: ck.Project, customers: Path) -> None:
    scored = ck.score(project, customers, reasons=2).table.slice(0, 5).to_pylist()
    for row in scored:
        told = ck.explain(project, row["customer_id"]).explanation
        assert told.probability == pytest.approx(row["probability"], abs=1e-12)
        total = told.base_probability + sum(reason.points for reason in told.reasons)
        assert total == pytest.approx(told.probability, abs=1e-6)
        assert told.reasons[0].column == row["reason_1"]


def test_recorded_predictions_come_back(project: ck.Project, cli: Cli) -> None:
    code, out, err = cli("-C", project.folder, "--json", "history", "--customer", "7590-VHVEG")
    assert code == 0, err
    (row,) = json.loads(out)["predictions"]
    assert row["customer_id"] == "7590-VHVEG"
    assert row["model_version"] == "v1"
    assert len(row["reasons"]) == 3


def test_a_challenger_is_promoted_and_rolled_back(project: ck.Project, cli: Cli) -> None:
    trained = ck.train(project, budget_seconds=2, seed=2)
    assert trained.alias == "challenger"
    assert ck.list_models(project).holders["champion"] == "v1"
    before = ck.journal(project).entries[-1].at
    code, _, err = cli("-C", project.folder, "models", "promote", "v2", "--why", "a try")
    assert code == 0, err
    assert ck.list_models(project).holders == {"champion": "v2", "challenger": None}
    # It serves already: that is said, and the journal stays as it is.
    n_entries = len(ck.journal(project).entries)
    code, out, err = cli("-C", project.folder, "models", "promote", "v2")
    assert code == 0, err
    assert "v2 is the champion already, since" in out
    assert len(ck.journal(project).entries) == n_entries
    assert ck.serving_at(project, before) == "v1"
    assert ck.score(project).model_version == "v2"
    code, _, err = cli("-C", project.folder, "models", "rollback")
    assert code == 0, err
    assert ck.list_models(project).holders["champion"] == "v1"
    assert [entry.action for entry in ck.journal(project).entries] == [
        "promote",
        "challenge",
        "promote",
        "retire",
        "rollback",
    ]
    assert ck.verify_models(project).ok


def test_a_run_repeats_bit_for_bit(project: ck.Project, cli: Cli) -> None:
    run_id = ck.show_model(project).version.run_id
    code, out, err = cli("-C", project.folder, "--json", "train", "--repeat", run_id)
    assert code == 0, err
    assert json.loads(out)["identical"] is True
    assert json.loads(out)["differences"] == []
    # Other data: it says so instead of repeating.
    lines = (project.folder.parent / "other.csv", ck.score)
    data = Path(project.settings.data.source).read_text(encoding="utf-8").splitlines(True)
    lines[0].write_text("".join(data[:-50]), encoding="utf-8")
    ck.import_data(project, lines[0])
    code, _, err = cli("-C", project.folder, "train", "--repeat", run_id)
    assert code == 2
    assert "data changed" in err


def test_a_run_says_which_version_changed(project: ck.Project, cli: Cli) -> None:
    run_id = ck.show_model(project).version.run_id
    path = project.store / "runs" / f"{run_id}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    now = record["versions"]["numpy"]
    record["versions"]["numpy"] = "1.0.0"
    path.write_text(json.dumps(record), encoding="utf-8")
    again = ck.repeat(project, run_id)
    assert again.identical
    assert again.differences == (f"versions: numpy 1.0.0 then, {now} now",)
    # A record whose winner was changed does not repeat, and verify knows why.
    record["versions"]["numpy"] = now
    record["predictions_hash"] = "0" * 64
    path.write_text(json.dumps(record), encoding="utf-8")
    code, out, err = cli("-C", project.folder, "train", "--repeat", run_id)
    assert code == 2, err
    assert "models verify" in " ".join(out.split())


def test_quality_is_shown_by_segment(project: ck.Project, cli: Cli) -> None:
    slices = ck.evaluate(project).record.evaluation.slices
    assert slices
    code, out, err = cli("-C", project.folder, "evaluate")
    assert code == 0, err
    for part in slices:
        assert f"{part.column} = {part.value}"[:14] in " ".join(out.split())


def test_recording_keeps_no_other_writer_waiting(
    project: ck.Project, customers: Path, tmp_path: Path
) -> None:
    """While a file is scored the ledger is free; its rows are then written in one go."""
    row = ck.history(project, limit=1).rows[0]
    n_before = len(ck.history(project, limit=10**6).rows)
    met: list[str] = []

    def meanwhile(step: Step) -> None:
        if step.stage == "scoring" and not met:
            with Ledger.open(project.ledger_url + "?timeout=1") as other:
                other.record_predictions([row.model_copy(update={"prediction_id": "meanwhile"})])
            met.append(step.stage)

    ck.score(project, customers, tmp_path / "s.csv", record=True, progress=meanwhile)
    assert met
    rows = ck.history(project, limit=10**6).rows
    assert len(rows) == n_before + 1 + 2_000
    assert not [path for path in project.store.iterdir() if "spool" in path.name]


def test_report_is_one_file(project: ck.Project) -> None:
    report = ck.write_report(project)
    html = report.path.read_text(encoding="utf-8")
    assert "<svg" in html
    assert 'src="http' not in html
    assert 'href="http' not in html


def test_mlflow_serves_the_champion_with_the_same_probabilities(
    project: ck.Project, customers: Path
) -> None:
    import mlflow
    import pandas as pd

    mlflow.set_tracking_uri(f"sqlite:///{project.store / 'mlflow.db'}")
    mlflow.set_registry_uri(f"sqlite:///{project.store / 'mlflow.db'}")
    model = mlflow.pyfunc.load_model("models:/churn@champion")
    frame = pd.read_csv(customers, na_values=[" "]).head(300)
    ours = ck.score(project, frame, reasons=0).table["probability"].to_numpy()
    assert abs(model.predict(frame) - ours).max() <= 1e-12


def test_import_reports_what_changed(project: ck.Project, customers: Path, tmp_path: Path) -> None:
    text = customers.read_text(encoding="utf-8")
    later = tmp_path / "later.csv"
    head, rest = text.split("\n", 1)
    later.write_text(
        head.replace("Dependents", "Children") + "\n" + rest.replace("DSL", "Satellite"),
        encoding="utf-8",
    )
    before = project.database.read_bytes()
    seen = ck.import_data(project, later, compare_only=True)
    found = {(change.column, change.change) for change in seen.changes}
    assert {("Dependents", "missing"), ("Children", "new")} <= found
    assert ("InternetService", "new_categories") in found
    assert project.database.read_bytes() == before


def test_library_takes_a_frame_and_rows(project: ck.Project, customers: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(customers, na_values=[" "]).head(20)
    scored = ck.score(project, frame)
    rows = [{k: (None if v != v else v) for k, v in r.items()} for r in frame.to_dict("records")]
    assert pc.equal(scored.table["probability"], ck.score(project, rows).table["probability"])
    assert "customers" in scored._repr_html_()
    assert "Scored 20 customers" in str(scored)


def test_the_whole_job_on_postgresql(
    postgres_url: str, customers: Path, tmp_path: Path, cli: Cli
) -> None:
    ck.create_project(tmp_path / "p", customers).project.close()
    settings = tmp_path / "p" / "churnkit.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace('url = ""', f'url = "{postgres_url}"'), encoding="utf-8")
    code, _, err = cli("-C", tmp_path / "p", "train", "--budget", "2s")
    assert code == 0, err
    code, _, err = cli(
        "-C", tmp_path / "p", "score", customers, "-o", tmp_path / "s.csv", "--record"
    )
    assert code == 0, err
    with ck.open_project(tmp_path / "p") as project:
        assert [row.model_version for row in ck.history(project, "7590-VHVEG").rows] == ["v1"]
        assert ck.verify_models(project).ok
        assert not (project.store / "ledger.sqlite").exists()


def test_mlflow_that_refuses_does_not_undo_the_model(project: ck.Project) -> None:
    (project.store / "mlflow.db").write_bytes(b"this is no database")
    trained = ck.train(project, budget_seconds=1)
    assert "MLflow was not told" in str(trained)
    assert [version.version for version in ck.list_models(project).versions] == ["v1", "v2"]


def test_completion_knows_the_commands(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "_CHURNKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": "churnkit models ro",
        "COMP_CWORD": "2",
    }
    program = Path(sys.executable).with_name("churnkit")
    ran = subprocess.run([program], env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["rollback"]


def test_init_asks_in_a_terminal(tmp_path: Path) -> None:
    data = tmp_path / "two.csv"
    rows = "".join(f"{i},{i % 2},{(i // 2) % 2}\n" for i in range(60))
    data.write_text("id,won,lost\n" + rows, encoding="utf-8")
    command = [sys.executable, "-m", "churnkit", "init", str(tmp_path / "p"), "--data", str(data)]
    ours, theirs = pty.openpty()
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=theirs, stdout=pipe, stderr=pipe) as p:
        os.write(ours, b"2\n")
        _, err = p.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert p.returncode == 0, err.decode()
    assert b"Which one" in err
    assert 'target = "lost"' in (tmp_path / "p" / "churnkit.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "wrong",
    [("frob",), ("models", "frob"), ("profile", "--nope"), ("score", "x.csv"), ("init",)],
    ids=" ".join,
)
def test_wrong_usage_is_json_too(cli: Cli, wrong: tuple[str, ...]) -> None:
    code, out, err = cli("--json", *wrong)
    assert code == 2
    error = json.loads(out)["error"]
    assert error["code"] == "usage_invalid"
    assert "--help" in error["fix"]
    assert error["what"] in err
    code, out, _ = cli(*wrong)
    assert (code, out) == (2, "")


def test_the_exported_head_is_json_too(cli: Cli, project: ck.Project, tmp_path: Path) -> None:
    head = tmp_path / "head.json"
    code, out, err = cli("-C", project.folder, "models", "head", "-o", head, "--json")
    assert code == 0, err
    assert json.loads(out) == {"path": str(head)}


def test_ctrl_c_at_a_question_leaves_nothing(tmp_path: Path) -> None:
    data = tmp_path / "two.csv"
    rows = "".join(f"{i},{i % 2},{(i // 2) % 2}\n" for i in range(60))
    data.write_text("id,won,lost\n" + rows, encoding="utf-8")
    command = [sys.executable, "-m", "churnkit", "init", str(tmp_path / "p"), "--data", str(data)]
    ours, theirs = pty.openpty()
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        stdin=theirs,
        stdout=pipe,
        stderr=pipe,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as p:
        assert p.stderr is not None
        seen = b""
        while b"Which one" not in seen:
            seen += os.read(p.stderr.fileno(), 4096)
        p.send_signal(signal.SIGINT)
        _, err = p.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert p.returncode == 130, err.decode()
    assert b"stopped" in err
    assert b"Traceback" not in err
    assert not (tmp_path / "p").exists()


def test_a_query_on_a_relative_file_means_the_same_from_anywhere(
    tmp_path: Path, customers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    table = csv.read_csv(customers).slice(0, 200).to_pandas()
    connection = sqlite3.connect(tmp_path / "crm.db")
    table.to_sql("customers", connection, index=False)
    connection.close()
    monkeypatch.chdir(tmp_path)
    made = ck.create_project("p", "sqlite:///crm.db", query="select * from customers")
    made.project.close()
    monkeypatch.chdir("/")
    with ck.open_project(tmp_path / "p") as project:
        assert ck.import_data(project).same_rows
