"""An erased customer is nowhere, stays away, and the journal says so without naming him."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

import churnkit as ck
from churnkit import errors
from churnkit.cli.main import app
from churnkit.data.samples.locate import telco_path
from churnkit.domain.outcomes import Outcome, Treatment
from churnkit.ledger import erasers
from churnkit.ledger.outcomes import record_outcomes, record_treatments
from churnkit.ledger.tables import idempotency, latest_scores, metadata, rollout_overrides
from churnkit.project import Project
from churnkit.registry.journal import verify_chain
from churnkit.settings.file import read_settings, write_settings
from churnkit.usecases.erasing.retention import retain
from churnkit.usecases.erasing.verbs import allow_again, erase
from churnkit.usecases.features.feature_set import suggest_features
from churnkit.usecases.online.building import rebuild_online
from churnkit.usecases.online.reading import online_features
from churnkit.usecases.online.receiving import receive_events
from churnkit.usecases.outcomes.treatments import take_treatments
from churnkit.usecases.outcomes.verbs import import_outcomes, take_outcomes
from churnkit.usecases.projects.event_importing import import_facts
from churnkit.usecases.projects.importing import import_data
from churnkit.usecases.suppressing import VARIABLE, KnownErasures
from tests.data.event_logs import written
from tests.outcomes.projects import DAY, MARCH, bare_project, prediction

NAME = "7590-VHVEG"
NOW = datetime(2026, 8, 1, tzinfo=UTC)


def test_every_table_says_how_it_forgets() -> None:
    assert erasers.unregistered() == [], (
        "say in churnkit/ledger/erasers.py how these tables forget a customer, or why they need not"
    )


def test_every_table_says_how_long_it_keeps_its_rows() -> None:
    assert erasers.without_retention() == [], (
        "say in churnkit/ledger/erasers.py how long these tables keep rows, or what bounds them"
    )
    aged = {table for table, _ in erasers.AGES.values()}
    assert not aged & erasers.NOT_AGED.keys() and erasers.NOT_AGED.keys() <= metadata.tables.keys()


@pytest.fixture
def project(tmp_path: Path, ledger_url: str) -> Iterator[Project]:
    """Customers with ids; the ledger, files and leftovers are full of one of them."""
    folder = tmp_path / "project"
    lines = telco_path().read_text(encoding="utf-8").splitlines(keepends=True)
    data = tmp_path / "customers.csv"
    data.write_text("".join(lines[:301]), encoding="utf-8")
    ck.create_project(folder, data, name="forget").project.close()
    if ledger_url.startswith("sqlite"):
        ledger_url = ""
    settings = read_settings(folder)
    settings = settings.model_copy(
        update={"ledger": settings.ledger.model_copy(update={"url": ledger_url})}
    )
    write_settings(folder, settings)
    with ck.open_project(folder) as opened:
        _fill(opened, data)
        yield opened


def _fill(project: Project, data: Path) -> None:
    engine = project.ledger.engine
    names = [NAME, "other", f"{NAME}-2"]
    project.ledger.record_predictions([prediction(f"p{n}", n, MARCH) for n in names])
    record_outcomes(engine, [Outcome(n, True, "t", as_of=MARCH) for n in names], now=NOW)
    record_treatments(
        engine, [Treatment(f"t-{i}", n, MARCH, "", "", "t") for i, n in enumerate(names)], now=NOW
    )
    answer = json.dumps({"predictions": [{"customer_id": NAME}]}).encode()
    with project.ledger.writing() as connection:
        for key, content in (("1", answer), ("2", answer.replace(NAME.encode(), b"other"))):
            connection.execute(
                sa.insert(idempotency),
                {"owner": "o", "key": key, "request_hash": "", "status": 200, "answer": content,
                 "created_at": NOW},
            )  # fmt: skip
        connection.execute(
            sa.insert(rollout_overrides),
            {"rollout_id": "r", "customer_id": NAME, "arm": "champion"},
        )
        connection.execute(
            sa.insert(latest_scores),
            {"customer_id": NAME, "prediction_id": "p", "probability": 0.1, "risk_band": "low",
             "risk_rank": 0, "model_version": "v1", "variant": "champion", "made_at": NOW},
        )  # fmt: skip
    folder = project.folder
    text = data.read_text(encoding="utf-8")
    shutil.copyfile(data, folder / "kept.csv")
    (folder / "kept.csv.gz").write_bytes(gzip.compress(text.encode()))
    pq.write_table(pa.table({"customer_id": names, "p": [0.1, 0.2, 0.3]}), folder / "s.parquet")
    (folder / "batch.ndjson").write_text(
        "".join(json.dumps({"customer_id": n}) + "\n" for n in names), encoding="utf-8"
    )
    rejected = written(project.store / "rejected" / "events-1.csv", "file,row,column,reason,raw")
    with rejected.open("a", encoding="utf-8") as file:
        file.write('f,1,x,y,"{""customer"": ""%s""}"\n' % NAME)  # noqa: UP031 - braces
        file.write(f'f,2,,too many values,"{NAME};3;4"\n')
        file.write('f,3,x,y,"{""customer"": ""other""}"\n')
    written(folder / "reports" / "v1.html", f"<p>{NAME} left</p>")
    written(folder / "reports" / "v2.html", f"<p>{NAME}-2 left</p>")
    written(folder / "notes.md", f"call {NAME}")


def _all_rows(project: Project) -> str:
    """Everything in the ledger, as text."""
    parts = []
    with project.ledger.reading() as connection:
        for table in metadata.tables.values():
            parts += [repr(tuple(row)) for row in connection.execute(sa.select(table))]
    return "\n".join(parts)


def _holding(folder: Path, name: str) -> list[str]:
    """Files whose bytes hold a name that is not the beginning of a longer one."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".gz":
                content = gzip.decompress(content)
            if path.suffix == ".parquet":
                content = repr(pq.read_table(path).to_pylist()).encode()
            if name.encode() in content.replace(f"{name}-2".encode(), b""):
                found.append(str(path.relative_to(folder)))
    return sorted(found)


def test_nothing_is_left_of_him_and_all_of_the_others(project: Project, tmp_path: Path) -> None:
    assert NAME in _all_rows(project) and len(_holding(project.folder, NAME)) >= 8
    done = erase(project, NAME, now=NOW)
    assert done.remains == ("notes.md",)  # a person's own words are his to change
    (project.folder / "notes.md").unlink()
    project.close()
    assert _holding(project.folder, NAME) == []
    rows = _all_rows(project)
    assert NAME not in rows.replace(f"{NAME}-2", "")
    assert "other" in rows and f"{NAME}-2" in rows
    assert done.rows.keys() == {
        "predictions", "outcomes", "treatments", "idempotency", "rollout_overrides", "latest_scores"
    }  # fmt: skip
    assert done.deleted_files == ("reports/v1.html",)
    assert pq.read_table(project.folder / "s.parquet").num_rows == 2
    assert len((project.folder / "kept.csv").read_text(encoding="utf-8").splitlines()) == 300
    assert len((project.folder / "batch.ndjson").read_text(encoding="utf-8").splitlines()) == 2
    aside = (project.store / "rejected" / "events-1.csv").read_text(encoding="utf-8")
    assert len(aside.splitlines()) == 2
    with duckdb.connect(str(project.database), read_only=True) as connection:
        ids = connection.execute('select "customerID" from customers').fetchall()
        about = connection.execute("from churnkit_meta").fetchall()
    assert len(ids) == 299 and (NAME,) not in ids and NAME not in repr(about)
    assert project.ledger_url.startswith("postgres") or done.clean


def test_a_short_id_takes_nobody_else_with_it(project: Project) -> None:
    folder = project.folder
    written(folder / "a.csv", "customer_id,tenure", "7,1", "8,7", "9,7")
    written(folder / "b.csv", "name,tenure", "x,7")
    written(folder / "c.ndjson", '{"customer_id": 7, "n": 1}', '{"customer_id": 8, "n": 7}')
    pq.write_table(pa.table({"customer_id": [7, 8], "n": [1, 7]}), folder / "d.parquet")
    (folder / "broken.parquet").write_bytes(b"PAR1 is no table")
    before = project.store / "rejected" / "events-1.csv"
    kept = before.read_text(encoding="utf-8")
    done = erase(project, "7", now=NOW)
    assert done.file_rows == {"a.csv": 1, "c.ndjson": 1, "d.parquet": 1}
    assert (folder / "a.csv").read_text(encoding="utf-8").splitlines()[1:] == ["8,7", "9,7"]
    assert pq.read_table(folder / "d.parquet").to_pylist() == [{"customer_id": 8, "n": 7}]
    assert before.read_text(encoding="utf-8") == kept
    assert done.remains == ("broken.parquet (perhaps: it cannot be read)",)
    assert "so short" in done.note


def test_he_is_left_out_of_all_that_is_taken_in_later(project: Project, tmp_path: Path) -> None:
    erase(project, NAME, now=NOW)
    data = tmp_path / "customers.csv"
    again = import_data(project, data)
    assert again.table.n_rows == 299
    late = written(
        tmp_path / "o.csv", "customer_id,as_of,churned", f"{NAME},2026-03-01,yes",
        "anna,2026-03-01,yes", f"{NAME},2026-03-01,perhaps", f"{NAME},2026-03-01,yes,1",
    )  # fmt: skip
    done = import_outcomes(project, late, now=NOW)
    assert (done.recorded.n_new, done.n_suppressed) == (1, 2)
    assert NAME not in Path(done.rejected_file).read_text(encoding="utf-8")
    outcome = Outcome(NAME, True, "rest", as_of=MARCH)
    assert take_outcomes(project, [outcome], now=NOW, skip=False)[2] == 1
    treated = Treatment("x", NAME, MARCH, "", "", "rest")
    assert take_treatments(project, [treated], now=NOW, skip=False)[2] == 1
    assert NAME not in _all_rows(project).replace(f"{NAME}-2", "")


def test_the_journal_says_so_and_stays_whole(project: Project) -> None:
    with pytest.raises(errors.SettingsInvalid, match="names the customer"):
        erase(project, NAME, why=f"{NAME} called", now=NOW)
    first = erase(project, NAME, who="ann", now=NOW)
    second = erase(project, NAME, now=NOW)  # an interrupted one is run again
    assert second.rows == {} and second.pseudonym == first.pseudonym
    journal = project.ledger.journal()
    assert [check.state for check in verify_chain(journal)] == ["ok"]
    entry = journal[-2]
    assert (entry.action, entry.who, entry.evidence["pseudonym"]) == (
        "erase", "ann", first.pseudonym,
    )  # fmt: skip
    assert NAME not in repr(journal)


def test_who_comes_back_is_allowed_again(project: Project) -> None:
    erase(project, NAME, now=NOW)
    known = KnownErasures()
    known.refresh(project)
    assert known.among([NAME, "other"]) == {NAME}
    outcome = Outcome(NAME, True, "t", as_of=MARCH)
    assert take_outcomes(project, [outcome], now=NOW, skip=False)[2] == 1
    with pytest.raises(errors.SettingsInvalid, match="names the customer"):
        allow_again(project, NAME, why=f"{NAME} is back", now=NOW)
    assert allow_again(project, NAME, why="a new contract", who="ann", now=NOW).was_erased
    assert not allow_again(project, NAME, why="a new contract", now=NOW).was_erased
    known.refresh(project)
    assert not known.asks and known.among([NAME]) == set()
    assert take_outcomes(project, [outcome], now=NOW, skip=False)[2] == 0
    entry = project.ledger.journal()[-1]
    assert (entry.action, entry.who, entry.why) == ("allow", "ann", "a new contract")
    assert [check.state for check in verify_chain(project.ledger.journal())] == ["ok"]
    assert NAME not in repr(project.ledger.journal())


def test_another_key_is_noticed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "ab" * 32)
    erase(project, NAME, now=NOW)
    monkeypatch.setenv(VARIABLE, "cd" * 32)
    with pytest.raises(errors.SettingsInvalid, match="another key"):
        take_outcomes(project, [Outcome(NAME, True, "t", as_of=MARCH)], now=NOW, skip=False)


def test_a_log_of_events_and_the_online_state_forget_him(tmp_path: Path) -> None:
    log = written(
        tmp_path / "project" / "log.csv",
        "customer_id,event_time,event_type,amount",
        *(f"{name},2025-0{1 + i % 6}-1{i % 9}T10:00:00Z,buy,{i}"
          for i in range(60) for name in (NAME, "other", f"{NAME}-2")),
    )  # fmt: skip
    ck.create_event_project(tmp_path / "made", log, name="log").project.close()
    folder = tmp_path / "made"
    with ck.open_project(folder) as project:
        suggest_features(project)
        rebuild_online(project)
        before = project.database.read_bytes()
        assert NAME.encode() in before
        done = erase(project, NAME, now=NOW)
        assert done.log_rows["churnkit.duckdb"] > 10 and done.rows["online_state"] >= 1
        assert done.sources  # the log itself lies elsewhere, and is named
        event = {"customer_id": NAME, "event_time": "2025-07-01T10:00:00Z", "event_type": "buy",
                 "amount": 1}  # fmt: skip
        receive_events(project, [event, {**event, "customer_id": "other"}])
        assert not online_features(project, [NAME])[0].known
        assert online_features(project, ["other"])[0].known
        import_facts(project, [log])
        assert NAME not in _all_rows(project).replace(f"{NAME}-2", "")
    assert _holding(folder, NAME) == []
    with duckdb.connect(str(folder / "store" / "churnkit.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from events").fetchone() == (120,)


def test_what_is_too_old_goes_and_a_dry_run_only_counts(tmp_path: Path, ledger_url: str) -> None:
    table = {"predictions": 90, "reports": 30, "idempotency": 1}
    with bare_project(tmp_path, ledger_url, retention=table) as project:
        project.ledger.record_predictions(
            [prediction("old", "anna", NOW - 91 * DAY), prediction("new", "anna", NOW - 89 * DAY)]
        )
        report = written(project.reports / "v1.html", "old")
        moment = (NOW - 31 * DAY).timestamp()
        os.utime(report, (moment, moment))
        counted = {one.name: one.n for one in retain(project, now=NOW).aged}
        assert (counted["predictions"], counted["reports"]) == (1, 1)
        assert project.ledger.prediction("old") is not None and report.exists()
        retain(project, apply=True, now=NOW)
        assert project.ledger.prediction("old") is None and not report.exists()
        assert project.ledger.prediction("new") is not None


def test_the_command_line_asks_first(tmp_path: Path) -> None:
    bare_project(tmp_path).close()
    runner = CliRunner()
    words = ["erase", "-C", str(tmp_path), "--customer", "anna"]
    assert runner.invoke(app, words, input="n\n").exit_code != 0
    answer = runner.invoke(app, [*words, "--yes", "--json"])
    assert answer.exit_code == 0, answer.output
    assert len(json.loads(answer.stdout)["pseudonym"]) == 64
    answer = runner.invoke(app, ["retention", "-C", str(tmp_path), "--json"])
    assert json.loads(answer.stdout)["applied"] is False
