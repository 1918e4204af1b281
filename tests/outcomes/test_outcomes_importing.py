"""Outcomes and treatments come in from every kind of source, once, and broken rows are told."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import churnkit as ck
from churnkit import errors
from churnkit.cli.main import app
from churnkit.data.database import opened
from churnkit.data.event_tables import CUSTOMERS
from churnkit.domain.moments import from_us, to_us
from churnkit.features.labels import label_table
from churnkit.ledger.outcomes import read_holdouts
from churnkit.project import Project
from churnkit.usecases.features.labels import project_calendar
from churnkit.usecases.outcomes.holdouts import end_holdout, held_out, set_holdout, show_holdouts
from churnkit.usecases.outcomes.maturing import matured_pairs
from churnkit.usecases.outcomes.treatments import import_treatments, show_treatments
from churnkit.usecases.outcomes.verbs import import_outcomes, outcome_status, show_outcomes
from churnkit.usecases.outcomes.weighing import is_member
from tests.data.event_logs import import_into, log_settings, written
from tests.outcomes.projects import DAY, MARCH, bare_project, prediction

NOW = MARCH + 60 * DAY
HEAD = "customer_id,as_of,churned,value\n"


@pytest.fixture
def project(tmp_path: Path, ledger_url: str) -> Iterator[Project]:
    with bare_project(tmp_path / "project", ledger_url) as opened:
        yield opened


def _file(tmp_path: Path, text: str, name: str = "outcomes.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_file_comes_in_once_and_its_broken_rows_are_set_aside(
    project: Project, tmp_path: Path
) -> None:
    path = _file(
        tmp_path,
        HEAD + "anna,2026-03-01,yes,10\nbert,2026-03-01,no,\n,2026-03-01,no,\n"
        "carl,2026-13-01,no,\ndora,2026-03-01,perhaps,\nemil,2026-03-01,no,much\n"
        "fred,2026-04-20,no,\ngina,2026-03-01,no,1,2\nbert,2026-03-01,yes,\n",
    )
    settings = project.settings.outcomes.model_copy(update={"max_broken_share": 0.9})
    project.settings = project.settings.model_copy(update={"outcomes": settings})
    done = import_outcomes(project, path, now=NOW)
    assert (done.n_rows, done.recorded.n_new, done.n_rejected) == (9, 2, 7)
    assert {reason for _, reason, _ in done.reasons} == {
        "has no customer",
        "is no time",
        "is neither yes nor no",
        "is no number",
        "cannot be 'no' before the window ends (2026-05-20)",
        "says otherwise than another row about the same, known at the same moment",
        next(reason for column, reason, _ in done.reasons if not column and "value" in reason),
    }
    aside = Path(done.rejected_file).read_text(encoding="utf-8")
    assert "dora" in aside and "anna" not in aside
    again = import_outcomes(project, path, now=NOW + DAY)
    # Bert's second row, of a later day, is a correction now.
    assert (again.recorded.n_new, again.recorded.n_known) == (1, 2)


@pytest.mark.parametrize("kind", ["parquet", "xlsx", "sql", "folder"])
def test_other_sources_say_the_same(project: Project, tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame(
        {
            "customer_id": [7, 8],
            "as_of": [datetime(2026, 3, 1), datetime(2026, 3, 1)],  # noqa: DTZ001 - as files have it
            "churned": [True, False],
            "value": [10.5, None],
        }
    )
    query = ""
    source = str(tmp_path / f"outcomes.{kind}")
    if kind == "parquet":
        pq.write_table(pa.Table.from_pandas(frame), source)
    elif kind == "folder":
        Path(source).mkdir()
        pq.write_table(pa.Table.from_pandas(frame[:1]), f"{source}/a.parquet")
        pq.write_table(pa.Table.from_pandas(frame[1:]), f"{source}/b.parquet")
    elif kind == "xlsx":
        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        sheet.append(list(frame.columns))
        sheet.append([7, datetime(2026, 3, 1), True, 10.5])  # noqa: DTZ001 - as files have it
        sheet.append([8, datetime(2026, 3, 1), False, None])  # noqa: DTZ001 - as files have it
        book.save(source)
    else:
        with sqlite3.connect(tmp_path / "crm.sqlite") as connection:
            connection.execute("create table o (customer_id, as_of, churned, value)")
            connection.execute("insert into o values (7, '2026-03-01', 1, 10.5)")
            connection.execute("insert into o values (8, '2026-03-01', 0, null)")
        connection.close()
        source, query = f"sqlite:///{tmp_path / 'crm.sqlite'}", "select * from o"
    done = import_outcomes(project, source, query=query, now=NOW)
    assert (done.recorded.n_new, done.n_rejected) == (2, 0)
    rows = {row.customer_id: row for _, _, row in show_outcomes(project).rows}
    assert (rows["7"].churned, rows["8"].churned) == (True, False)
    assert (rows["7"].value, rows["8"].value) == (10.5, None)
    assert rows["7"].as_of == MARCH
    assert "sqlite:" not in rows["7"].source  # a URL might hold a password


def test_a_file_like_the_training_s_needs_only_the_predictions_date(
    project: Project, tmp_path: Path
) -> None:
    path = _file(tmp_path, "customerID,Churn\nanna,Yes\nbert,No\n")
    with pytest.raises(errors.ColumnMissing, match="--as-of"):
        import_outcomes(project, path, now=NOW)
    import_outcomes(project, path, as_of="2026-03-01", now=NOW)
    project.ledger.record_predictions([prediction(n, n, MARCH + DAY / 2) for n in ("anna", "bert")])
    found = matured_pairs(project, now=NOW)
    assert dict(zip(found.customer_id, found.churned, strict=True)) == {"anna": True, "bert": False}


def test_a_list_of_cancellations_says_until_when_the_others_were_watched(
    project: Project, tmp_path: Path
) -> None:
    text = "customer_id,churned_at\nanna,2026-03-10\nbert,\n"
    path = _file(tmp_path, text)
    with pytest.raises(errors.TooManyBroken, match="--until"):
        project.settings = project.settings.model_copy(
            update={
                "outcomes": project.settings.outcomes.model_copy(update={"max_broken_share": 0.1})
            }
        )
        import_outcomes(project, path, now=NOW)
    assert not show_outcomes(project).rows  # all or nothing
    import_outcomes(project, path, until="2026-04-15", now=NOW)
    project.ledger.record_predictions([prediction(n, n, MARCH) for n in ("anna", "bert")])
    found = matured_pairs(project, now=NOW)
    assert dict(zip(found.customer_id, found.churned, strict=True)) == {"anna": True, "bert": False}


def test_status_tells_what_is_missing(project: Project, tmp_path: Path) -> None:
    project.ledger.record_predictions(
        [prediction(f"p{i}", f"c{i}", MARCH) for i in range(4)]
        + [prediction("new", "c1", NOW - DAY), prediction("s", "c1", MARCH, shadow_of="p1")]
    )
    import_outcomes(project, _file(tmp_path, HEAD + "c1,2026-03-01,yes,\n"), now=NOW)
    status = outcome_status(project, now=NOW)
    assert (status.n_matured, status.n_settled, status.n_waiting) == (4, 1, 1)
    assert [one.day.isoformat() for one in status.incomplete] == ["2026-03-01"]
    shown = str(status)
    assert "3 lack one" in shown and "2026-03-01" in shown


def test_treatments_come_in_once_and_a_treated_member_is_told(
    project: Project, tmp_path: Path
) -> None:
    set_holdout(project, 0.5, salt="s", now=MARCH)
    (holdout,) = read_holdouts(project.ledger.engine)
    member = next(f"c{i}" for i in range(99) if is_member(holdout, f"c{i}"))
    other = next(f"c{i}" for i in range(99) if not is_member(holdout, f"c{i}"))
    text = (
        "customer_id,at,offer,campaign,assignment_probability,hold_out,cost\n"
        f"{member},2026-03-02,call,spring,0.5,,3\n{other},2026-03-02,call,spring,0.5,no,3\n"
        f"{member}x,2026-03-02,,spring,0.5,yes,\n{other}x,2026-03-02,call,spring,1.5,,\n"
    )
    path = _file(tmp_path, text, "treatments.csv")
    done = import_treatments(project, path, now=NOW)
    assert (done.recorded.n_new, done.n_rejected) == (3, 1)
    assert "1 of these treatments went to members of a hold-out" in str(done)
    assert import_treatments(project, path, now=NOW).recorded.n_known == 3
    assert len(show_treatments(project, campaign="spring").rows) == 3
    told = show_holdouts(project, now=NOW)
    assert [(name, row.customer_id) for name, row in told.violations] == [
        (holdout.holdout_id, member)
    ]
    assert member in str(told)
    assert held_out(project, [member, other], now=NOW) == {member}


def test_a_holdout_is_fixed_beforehand_and_once(project: Project) -> None:
    with pytest.raises(errors.HoldoutInvalid, match="past"):
        set_holdout(project, 0.1, since="2026-02-01", now=MARCH)
    with pytest.raises(errors.HoldoutInvalid, match="between 0 and 1"):
        set_holdout(project, 1.0, now=MARCH)
    set_holdout(project, 0.1, now=MARCH)
    with pytest.raises(errors.HoldoutInvalid, match="already"):
        set_holdout(project, 0.2, now=MARCH + DAY)
    set_holdout(project, 0.2, campaign="spring", now=MARCH + DAY)
    name = next(h.holdout_id for h in read_holdouts(project.ledger.engine) if not h.campaign)
    end_holdout(project, name, now=MARCH + 2 * DAY)
    with pytest.raises(errors.HoldoutInvalid):
        end_holdout(project, name, now=MARCH + 3 * DAY)
    set_holdout(project, 0.2, now=MARCH + 3 * DAY)


def test_the_command_line_takes_outcomes_in_and_prints_json(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    bare_project(folder).close()
    path = _file(tmp_path, HEAD + "anna,2026-03-01,yes,10\n")
    runner = CliRunner()

    def run(*words: str) -> dict[str, object]:
        answer = runner.invoke(app, [*words, "-C", str(folder), "--json"])
        assert answer.exit_code == 0, answer.output
        return dict(json.loads(answer.stdout))

    assert run("outcomes", "import", str(path))["n_new"] == 1
    assert run("outcomes", "import", str(path))["n_known"] == 1
    assert run("outcomes", "status")["n_outcomes"] == 1
    assert len(run("outcomes", "show", "--customer", "anna")["outcomes"]) == 1  # type: ignore[arg-type]
    assert run("holdout", "set", "--share", "0.1")["n_violations"] == 0
    at = _file(tmp_path, "customer_id,at\nanna,2026-03-02\n", "t.csv")
    assert run("treatments", "import", str(at))["n_new"] == 1


def test_outcomes_from_the_log_are_the_labels_that_models_learn_from(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    start = datetime(2025, 3, 1, tzinfo=UTC)
    lines = ["customer,time,type,amount"]
    for name in range(40):
        days = np.sort(rng.uniform(0, 200, rng.integers(0, 12)))
        lines += [f"c{name},{(start + day * DAY).isoformat()},buy,1" for day in days.tolist()]
    lines.append(f"c0,{(start + 220 * DAY).isoformat()},buy,1")
    churn = {"horizon_days": 30, "lead_days": 5, "eligible_days": 60}
    settings = log_settings("Europe/Berlin", {"churn": churn}, arrival_delay_days=2)
    import_into(tmp_path, settings, written(tmp_path / "log.csv", *lines))
    project = Project(tmp_path, settings)
    now = start + 200 * DAY
    moments = [start + float(day) * DAY for day in rng.uniform(0, 200, 25)]
    project.ledger.record_predictions(
        [
            prediction(f"{i}-{name}", f"c{name}", at)
            for i, at in enumerate(moments)
            for name in range(45)  # some are in no log
        ]
    )
    done = import_outcomes(project, from_log=True, now=now)
    assert import_outcomes(project, from_log=True, now=now).recorded.n_new == 0
    calendar = project_calendar(project, now=now)
    due = [to_us(at) for at in moments if calendar.matured(to_us(at))]
    assert done.recorded.n_new == 45 * len(due)
    with opened(project.database) as connection:
        numbers = dict(connection.execute(f"from {CUSTOMERS}").fetchall())
    expected = {
        (numbers[row["customer_no"]], row["as_of_us"]): row["churned"]
        for row in label_table(project.database, calendar, due).to_pylist()
    }
    found = matured_pairs(project, now=now)
    got = {
        (name, to_us(at.replace(tzinfo=UTC))): churned
        for name, at, churned in zip(
            found.customer_id, found.as_of.tolist(), found.churned.tolist(), strict=True
        )
    }
    assert got == expected
    assert 0.2 < np.mean(list(got.values())) < 0.9
    # An event that arrives late changes what is known from now on, and not what was.
    quiet = next(key for key, churned in got.items() if churned)
    late = f"{quiet[0]},{(from_us(quiet[1]) + 20 * DAY).isoformat()},buy,1"
    import_into(tmp_path, settings, written(tmp_path / "late.csv", lines[0], late))
    assert import_outcomes(project, from_log=True, now=now + DAY).recorded.n_corrected >= 1
    assert len(matured_pairs(project, now=now)) == len(found)
    later = matured_pairs(project, now=now + DAY)
    assert not later.churned[
        (later.customer_id == quiet[0])
        & (later.as_of == np.datetime64(from_us(quiet[1]).replace(tzinfo=None), "us"))
    ].any()
    project.close()


def test_what_the_simulator_writes_comes_in_as_it_is(tmp_path: Path) -> None:
    simulated = ck.simulate(tmp_path / "business", customers=300, days=200, seed=5)
    with bare_project(tmp_path / "project") as project:
        now = datetime(2024, 9, 1, tzinfo=UTC)
        done = import_outcomes(project, simulated.folder / "outcomes.parquet", now=now)
        assert (done.recorded.n_new, done.n_rejected) == (300, 0)
        offers = import_treatments(project, simulated.folder / "treatments.parquet", now=now)
        assert offers.n_rejected == 0
        rows = pq.read_table(simulated.folder / "treatments.parquet").to_pylist()
        assert offers.recorded.n_new == len(rows)
        treated = [row for row in show_treatments(project, limit=10_000).rows if not row.hold_out]
        assert len(treated) == sum(row["offer"] is not None for row in rows) > 0
