"""Who was read before he was erased is not written afterwards, whoever writes him."""

from __future__ import annotations

import asyncio
import csv
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

import churnkit as ck
from churnkit import errors
from churnkit.data.samples.locate import telco_path
from churnkit.domain.outcomes import Outcome, Treatment
from churnkit.domain.progress import Step
from churnkit.domain.recording import IdempotentAnswer, PredictionColumns
from churnkit.ledger import suppressions
from churnkit.ledger.job_claims import end_job
from churnkit.ledger.tables import metadata
from churnkit.project import Project
from churnkit.usecases.erasing.verbs import allow_again, erase
from churnkit.usecases.experiments import assigning as experiment_assigning
from churnkit.usecases.experiments.assigning import assign_experiment
from churnkit.usecases.experiments.verbs import start_experiment
from churnkit.usecases.features import building as feature_building
from churnkit.usecases.jobs import batches
from churnkit.usecases.jobs import verbs as jobs
from churnkit.usecases.jobs.batch_scoring import PieceScorer
from churnkit.usecases.jobs.work import Work
from churnkit.usecases.models.publishing import publish
from churnkit.usecases.online import reading as online_reading
from churnkit.usecases.online import receiving as event_receiving
from churnkit.usecases.operating.online import open_for_service, open_writer
from churnkit.usecases.outcomes import treatments
from churnkit.usecases.outcomes import verbs as outcomes
from churnkit.usecases.rollouts.start import start_rollout
from tests.copies import copy_project
from tests.experiments.trials import OFFER
from tests.online_project import END
from tests.outcomes.projects import MARCH, bare_project, prediction

NAME, OTHER = "7590-VHVEG", "5575-GNVDE"
NOW = datetime(2026, 8, 1, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path, ledger_url: str) -> Iterator[Project]:
    """A project of which only the ledger is there, on each database."""
    url = "" if ledger_url.startswith("sqlite") else ledger_url
    with bare_project(tmp_path / "project", url) as opened:
        assert opened.ledger  # its tables are there
        yield opened


@pytest.fixture
def served(served_folder: Path, tmp_path: Path) -> Iterator[Project]:
    """A project with models."""
    with ck.open_project(copy_project(served_folder, tmp_path / "served")) as opened:
        yield opened


def _erased_before(
    patch: pytest.MonkeyPatch, module: ModuleType, project: Project
) -> Callable[[], int]:
    """He is erased when all was read and looked up, right before it is written.

    Returns
    -------
    times : how often he was, since
    """
    real, times = module.erased_within, []

    def erased_within(given: Project) -> Any:
        if not times:
            times.append(1)
            erase(project, NAME, now=NOW)
        return real(given)

    patch.setattr(module, "erased_within", erased_within)
    return lambda: len(times)


def _ledger(project: Project) -> str:
    parts = []
    with project.ledger.reading() as connection:
        for table in metadata.tables.values():
            if table.name != "job_files":
                parts += [repr(tuple(row)) for row in connection.execute(sa.select(table))]
    return "\n".join(parts)


def _holding(folder: Path) -> list[str]:
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and "bundles" not in path.parts and NAME.encode() in path.read_bytes()
    ]


def test_outcomes_and_treatments_on_their_way(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = _erased_before(monkeypatch, outcomes, project)
    rows = [Outcome(name, True, "t", as_of=MARCH) for name in (NAME, OTHER)]
    recorded, _, _ = outcomes.take_outcomes(project, rows, now=NOW, skip=True)
    assert (recorded.n_new, times()) == (1, 1)
    with monkeypatch.context() as patch:
        patch.setattr(treatments, "suppressed_in", lambda _: None)  # looked before he was erased
        given = [Treatment(f"t-{name}", name, MARCH, "", "", "t") for name in (NAME, OTHER)]
        recorded, _, _, _ = treatments.take_treatments(project, given, now=NOW, skip=True)
    assert recorded.n_new == 1
    assert NAME not in _ledger(project) and OTHER in _ledger(project)


def test_places_of_contradictory_rows_do_not_shift(project: Project) -> None:
    erase(project, NAME, now=NOW)
    engine = project.ledger.engine
    with project.ledger.reading():
        erased = outcomes.erased_within(project)
    said = [Outcome(OTHER, True, "t", as_of=MARCH, known_at=NOW)]
    outcomes.table.record_outcomes(engine, said, now=NOW, erased=erased)
    rows = [Outcome(NAME, True, "t", as_of=MARCH, known_at=NOW)]
    rows += [Outcome(OTHER, False, "t", as_of=MARCH, known_at=NOW)]
    recorded = outcomes.table.record_outcomes(engine, rows, now=NOW, erased=erased)
    assert (recorded.n_new, recorded.contradictory) == (0, (1,))


@pytest.mark.parametrize("n", [3, 100])
def test_predictions_on_their_way(project: Project, n: int) -> None:
    """Few rows are an INSERT, many a COPY; what the writer knows is from before the erasure."""

    def part(suffix: str) -> PredictionColumns:
        names = [NAME, *(f"c{i}" for i in range(n - 1))]
        return PredictionColumns(
            prediction_ids=[f"{name}{suffix}" for name in map(str, range(n))],
            customer_ids=names,
            probabilities=[0.5] * n,
            risk_bands=["low"] * n,
            reasons=["[]"] * n,
            unknown_categories=[None] * n,
            model_version="v1",
            variant="champion",
            made_at=NOW,
        )

    def answer(key: str) -> IdempotentAnswer:
        told = json.dumps({"customer_id": NAME}).encode()
        return IdempotentAnswer("o", key, "h" * 64, 200, told, NOW)

    async def work() -> list[bool]:
        settings = project.settings.service.model_copy(update={"commit_timeout_seconds": 30.0})
        writer = await open_writer(project, settings)
        done = [await writer.submit([part("-before")])]
        await asyncio.to_thread(erase, project, NAME, now=NOW)
        done.append(await writer.submit([part("-plain")]))
        done.append(await writer.submit([part("-keyed")], answer("k")))
        shadow = part("-shadow")
        shadow.shadow_of = part("-plain").prediction_ids
        done.append(await writer.submit([part("-paired"), shadow]))
        done.append(await writer.submit([part("-2")], answer("k")))
        await writer.close()
        return done

    assert asyncio.run(work()) == [True] * 5  # the key of what named him was not kept, either
    with project.ledger.reading() as connection:
        table = metadata.tables["predictions"]
        found = connection.execute(sa.select(table.c.customer_id, table.c.prediction_id)).all()
    assert len(found) == 6 * (n - 1)
    assert NAME not in _ledger(project)


def test_erasing_waits_for_what_is_being_written(postgres_url: str, tmp_path: Path) -> None:
    """A transaction that asked before ends first; others are not kept waiting."""
    with bare_project(tmp_path / "project", postgres_url) as project:
        engine = project.ledger.engine
        erased = outcomes.erased_within(project)
        done = threading.Event()

        def forget() -> None:
            erase(project, NAME, now=NOW)
            done.set()

        thread = threading.Thread(target=forget)
        with project.ledger.writing() as plain, project.ledger.writing() as asking:
            assert erased(asking, [NAME]) == set()
            plain.execute(sa.insert(metadata.tables["predictions"]), _values("p"))
            thread.start()
            while not suppressions.any_suppressed(engine):
                time.sleep(0.01)
            asking.execute(sa.insert(metadata.tables["predictions"]), _values("q"))
            project.ledger.record_predictions([prediction("r", OTHER, MARCH)])  # nobody waits
            assert not done.wait(0.3)
        thread.join(30)
        assert done.is_set() and NAME not in _ledger(project)
        assert OTHER in _ledger(project)


def _values(name: str) -> dict[str, Any]:
    return {
        "prediction_id": name, "customer_id": NAME, "model_version": "v1", "probability": 0.5,
        "risk_band": "low", "variant": "champion", "made_at": NOW, "reasons": "[]",
    }  # fmt: skip


def test_a_transaction_that_does_not_end_is_named(postgres_url: str, tmp_path: Path) -> None:
    with bare_project(tmp_path / "project", postgres_url) as project:
        engine = project.ledger.engine
        with project.ledger.writing() as connection:
            suppressions.hold_erasures(connection)
            with pytest.raises(errors.LedgerBusy, match="1 transactions have been writing"):
                suppressions.wait_for_writers(engine, at_most_seconds=0.2)
        suppressions.wait_for_writers(engine, at_most_seconds=0.2)


def test_experiments_and_overrides(served: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    started = start_experiment(served, plan=OFFER, why="t", now=NOW)
    times = _erased_before(monkeypatch, experiment_assigning, served)
    done = assign_experiment(served, None, [NAME, OTHER], now=NOW)
    assert (done.n_new, done.n_erased, times()) == (1, 1, 1)
    assert NAME not in _ledger(served)
    ck.stop_experiment(served, started.experiment_id, why="done")
    monkeypatch.undo()
    arms = {NAME: "champion", OTHER: "challenger"}
    start_rollout(served, plan={"outcomes": "propensity"}, overrides=arms, now=NOW)
    assert NAME not in _ledger(served) and OTHER in _ledger(served)


def test_a_table_that_is_being_scored(served: Project, tmp_path: Path) -> None:
    """It is made again: a file that is half his cannot be mended."""
    rows = _customers(20)
    inside, outside = served.folder / "scores.csv", tmp_path / "scores.csv"
    erased: list[int] = []

    def forget(step: Step) -> None:
        if not erased:
            erased.append(1)
            erase(served, NAME, now=NOW)

    with pytest.raises(errors.ErasedMeanwhile, match="erased while this was made"):
        ck.score(served, rows, inside, progress=forget)
    assert not inside.exists()
    erased.clear()
    allow_again(served, NAME, why="test")
    with pytest.raises(errors.ErasedMeanwhile):
        ck.score(served, rows, outside, record=True, progress=forget)
    assert not outside.exists() and NAME not in _ledger(served) and not _holding(served.folder)
    done = ck.score(served, rows, inside, record=True)
    assert (done.n_rows, done.n_erased) == (19, 1) and not _holding(served.folder)


def _customers(n: int) -> pa.Table:
    with telco_path().open(encoding="utf-8", newline="") as file:
        return pa.Table.from_pylist([row for row, _ in zip(csv.DictReader(file), range(n))])  # noqa: B905


def test_a_batch_of_the_service(
    served_folder: Path, ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_project(served_folder, tmp_path / "served")
    url = "" if ledger_url.startswith("sqlite") else ledger_url
    with open_for_service(folder, url) as project:
        if url:
            publish(folder, project)
        job = jobs.new_job("batch", "k", {"format": "csv"}, uploading=True)
        assert jobs.submit_job(project, job)
        text = "".join(telco_path().read_text(encoding="utf-8").splitlines(keepends=True)[:21])
        jobs.add_upload(project, job.job_id, 0, text.encode())
        jobs.submit_upload(project, job.job_id, {"format": "csv"})
        claimed = jobs.claim_job(project)
        assert claimed is not None
        real, times = PieceScorer.score, []

        def scored(*given: Any) -> Any:
            done = real(*given)
            if not times:
                times.append(1)
                erase(project, NAME, now=NOW)
            return done

        monkeypatch.setattr(PieceScorer, "score", scored)
        (tmp_path / "work").mkdir()
        outcome = batches.score_batch(Work(project, claimed, tmp_path / "work"))
        assert outcome.progress is not None and outcome.progress.rows_total == 20
        end_job(project.ledger.engine, claimed, "finished", NOW)
        seen = b"".join(jobs.batch_result(project, job.job_id, "ndjson", failed=False))
        assert seen.count(b"\n") == 19 and NAME.encode() not in seen
        assert NAME not in _ledger(project)


def test_events_and_features(
    online_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, other = "00001", "00002"
    with ck.open_project(copy_project(online_folder, tmp_path / "online")) as project:
        with project.ledger.reading() as connection:
            table = metadata.tables["online_state"]
            name, other = sorted(connection.execute(sa.select(table.c.customer_id)).scalars())[:2]
        real, times = event_receiving.erased_within, []

        def erased_within(given: Project) -> Any:
            if not times:
                times.append(1)
                erase(project, name, now=NOW)
            return real(given)

        event = {"event_time": END.isoformat(), "event_type": "purchase", "amount": 1, "cds": 1}
        with monkeypatch.context() as patch:
            patch.setattr(event_receiving, "erased_within", erased_within)
            taken = event_receiving.receive_events(
                project,
                [{**event, "customer_id": one} for one in (name, other)],
                now=END,
                on_error="skip",
            )
        assert times and (taken.new + taken.duplicate + len(taken.rejected)) >= 1
        known = [one.known for one in online_reading.online_features(project, [name, other])]
        assert known == [False, True]

        output = project.folder / "features.parquet"
        erased: list[int] = []

        def forget(step: Step) -> None:
            if not erased:
                erased.append(1)
                erase(project, other, now=NOW)

        with pytest.raises(errors.ErasedMeanwhile):
            feature_building.build_features(project, END, output, progress=forget)
        assert not output.exists()
