"""The ledger keeps what it was given, whole, on both engines."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churnkit import errors
from churnkit.domain.evaluation import Estimate
from churnkit.domain.models import JournalEntry, ModelVersion
from churnkit.domain.predictions import PredictionRow, Reason, prediction_ids
from churnkit.ledger.engine import Pool, make_engine
from churnkit.ledger.store import Ledger
from churnkit.ledger.tables import metadata

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


def _row(name: str, **changes: object) -> PredictionRow:
    values = {
        "prediction_id": name,
        "customer_id": "7590-VHVEG",
        "model_version": "v1",
        "probability": 0.25,
        "risk_band": "low",
        "made_at": NOW,
        **changes,
    }
    return PredictionRow.model_validate(values)


def _version(name: str) -> ModelVersion:
    return ModelVersion(
        version=name,
        run_id="run",
        candidate="logistic_regression",
        created_at=NOW,
        bundle_hash="ab" * 32,
        data_fingerprint="cd" * 32,
        metrics={"roc_auc": Estimate(value=0.84, low=0.82, high=0.86)},
    )


def _next(journal: tuple[JournalEntry, ...], why: str = "because") -> JournalEntry:
    return JournalEntry(
        sequence=len(journal) + 1,
        at=NOW,
        who="me",
        action="promote",
        alias="champion",
        version="v1",
        previous_version=None,
        why=why,
        evidence={"auc": 0.1 + 0.2, "nested": {"ü": [1, None, True]}},
        previous_hash=journal[-1].hash if journal else "0" * 64,
        hash=f"{len(journal) + 1:064d}",
    )


moments = st.integers(-(10**15), 4 * 10**15).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
rows = st.builds(
    PredictionRow,
    prediction_id=st.uuids().map(str),
    customer_id=texts,
    model_version=st.just("v1"),
    probability=st.floats(0, 1),
    risk_band=st.sampled_from(["low", "medium", "high"]),
    made_at=moments,
    reasons=st.lists(
        st.builds(
            Reason,
            column=texts,
            value=st.none()
            | texts
            | st.booleans()
            | st.floats(allow_nan=False, allow_infinity=False),
            points=st.floats(-1, 1),
        ),
        max_size=3,
    ).map(tuple),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(rows, max_size=5, unique_by=lambda row: row.prediction_id))
def test_predictions_come_back_as_they_were(
    ledger: Ledger, given_rows: list[PredictionRow]
) -> None:
    given_rows = [row.model_copy(update={"prediction_id": uuid.uuid4().hex}) for row in given_rows]
    ledger.record_predictions(given_rows)
    for row in given_rows:
        assert ledger.prediction(row.prediction_id) == row


def test_new_prediction_ids_rise_and_never_repeat() -> None:
    """Rising ids keep the index's pages together; those of another process differ all the same."""
    ids = list(itertools.islice(prediction_ids(NOW), 20_000))
    assert ids == sorted(set(ids))
    assert {uuid.UUID(one).version for one in ids} == {7}
    assert ids[-1] < next(prediction_ids(NOW + timedelta(seconds=1)))
    assert set(itertools.islice(prediction_ids(NOW), 20_000)).isdisjoint(ids)


def test_newest_predictions_come_first(ledger: Ledger) -> None:
    ledger.record_predictions(
        [_row(f"p{i}", made_at=NOW + timedelta(microseconds=i)) for i in range(5)]
    )
    ledger.record_predictions([_row("other", customer_id="x", model_version="v2")])
    found = ledger.predictions(customer_id="7590-VHVEG", limit=3)
    assert [row.prediction_id for row in found] == ["p4", "p3", "p2"]
    assert [row.prediction_id for row in ledger.predictions(model_version="v2")] == ["other"]


def test_an_id_twice_writes_nothing(ledger: Ledger) -> None:
    ledger.record_predictions([_row("p1")])
    with pytest.raises(errors.BadValue, match="prediction_id"):
        ledger.record_predictions([_row("p2"), _row("p1")])
    assert ledger.prediction("p2") is None


def test_a_failed_recording_writes_nothing(ledger: Ledger) -> None:
    with pytest.raises(KeyboardInterrupt), ledger.recording() as recording:
        recording.add(_row(f"p{i}") for i in range(2_500))
        raise KeyboardInterrupt
    assert ledger.predictions() == ()


def test_admitting_is_one_transaction(ledger: Ledger) -> None:
    assert ledger.next_version() == "v1"
    journal = ledger.admit(_version("v1"), lambda known: [_next(known)], NOW)
    assert ledger.journal() == journal
    assert ledger.model_version("v1") == _version("v1")
    assert ledger.next_version() == "v2"

    def fail(known: tuple[JournalEntry, ...]) -> list[JournalEntry]:
        return [_next(known), _next(known)]  # the same sequence twice

    with pytest.raises(sa.exc.IntegrityError):
        ledger.admit(_version("v2"), fail, NOW)
    assert [version.version for version in ledger.model_versions()] == ["v1"]
    assert len(ledger.journal()) == 1


def test_versions_are_ordered_by_number(ledger: Ledger) -> None:
    for number in range(1, 12):
        ledger.admit(_version(f"v{number}"), lambda known: [_next(known)], NOW)
    assert [v.version for v in ledger.model_versions()] == [f"v{i}" for i in range(1, 12)]
    with pytest.raises(errors.UnknownModelVersion, match="v11"):
        ledger.model_version("v111")


def test_threads_never_fork_the_journal(ledger: Ledger) -> None:
    def append() -> None:
        for _ in range(10):
            ledger.append_entries(lambda known: [_next(known)])

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal = ledger.journal()
    assert [entry.sequence for entry in journal] == list(range(1, 41))
    assert all(b.previous_hash == a.hash for a, b in itertools.pairwise(journal))


@pytest.mark.parametrize("change", ["update journal set who = 'x'", "delete from journal"])
def test_the_database_refuses_to_change_the_journal(
    ledger: Ledger, ledger_url: str, change: str
) -> None:
    ledger.append_entries(lambda known: [_next(known)])
    engine = make_engine(ledger_url)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(sa.text(change))
    engine.dispose()
    assert len(ledger.journal()) == 1


def test_migrations_make_the_tables_that_the_code_knows(empty_url: str) -> None:
    Ledger.open(empty_url).close()
    engine = make_engine(empty_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "churnkit_migrations"}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_later_database_is_refused(empty_url: str) -> None:
    Ledger.open(empty_url).close()
    engine = make_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(sa.text("update churnkit_migrations set version_num = '9999'"))
    engine.dispose()
    with pytest.raises(errors.StorageError, match="later churnkit"):
        Ledger.open(empty_url)


def test_two_processes_open_a_fresh_database_at_once(empty_url: str) -> None:
    code = (
        "import sys; from churnkit.ledger.store import Ledger\n"
        "sys.stdin.readline(); Ledger.open(sys.argv[1]).close()"
    )
    command = [sys.executable, "-c", code, empty_url]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err


_WRITER = """
import sys
from datetime import UTC, datetime
from churnkit.domain.predictions import PredictionRow
from churnkit.ledger.store import Ledger
ledger = Ledger.open(sys.argv[1])
for number in range(100_000):
    rows = [PredictionRow(prediction_id=f"{sys.argv[2]}-{number}-{i}", customer_id="c",
        model_version="v1", probability=0.5, risk_band="low", made_at=datetime.now(UTC))
        for i in range(7)]
    ledger.record_predictions(rows)
    print(number, flush=True)
"""


def _kill_rounds(url: str, rounds: int) -> None:
    for number in range(rounds):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, url, f"r{number}"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(20 + number)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in process.stdout.read().split()]
        process.wait()
        process.stdout.close()
        with Ledger.open(url) as ledger:
            for last in acknowledged[-3:]:
                for i in range(7):
                    assert ledger.prediction(f"r{number}-{last}-{i}") is not None
            found = ledger.predictions(limit=10**6)
            mine = [row for row in found if row.prediction_id.startswith(f"r{number}-")]
            assert len(mine) >= 7 * len(acknowledged)
            assert len(mine) % 7 == 0  # no transaction is there in part


def test_what_was_acknowledged_survives_a_kill(ledger_url: str) -> None:
    _kill_rounds(ledger_url, 2)


@pytest.mark.long
def test_what_was_acknowledged_survives_many_kills(ledger_url: str) -> None:
    _kill_rounds(ledger_url, 20)


# --- storage that refuses --------------------------------------------------------------------


def test_an_absent_server_is_named_without_its_password() -> None:
    with pytest.raises(errors.StorageUnreachable) as caught:
        Ledger.open("postgresql://me:secret@127.0.0.1:9/none")
    assert "127.0.0.1:9" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_server_lets_go_of_a_machine_that_is_lost(postgres_url: str) -> None:
    """It holds locks meanwhile, such as the journal's: two hours by the system's own settings."""
    engine = make_engine(f"{postgres_url}?options=-csearch_path%3Dpublic", Pool(answer_seconds=7))
    with engine.connect() as connection:

        def shown(name: str) -> str:
            return str(connection.execute(sa.text(f"show {name}")).scalar())

        names = ("idle", "interval", "count")
        idle, interval, count = (int(shown(f"tcp_keepalives_{name}")) for name in names)
        assert idle + interval * count <= 30
        assert shown("statement_timeout") == "7s"
        assert shown("search_path") == "public"  # the URL's own options count, too
    engine.dispose()


def test_a_wrong_url_is_explained() -> None:
    with pytest.raises(errors.StorageUnreachable, match=r"ledger\.url"):
        Ledger.open("not a url")


def test_a_ledger_that_may_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(errors.FolderReadOnly):
        Ledger.open(f"sqlite:///{tmp_path / 'nowhere' / 'ledger.sqlite'}")
    path = tmp_path / "ledger.sqlite"
    Ledger.open(f"sqlite:///{path}").close()
    with pytest.raises(errors.FolderReadOnly):
        Ledger.open(f"sqlite:///file:{path}?mode=ro&uri=true").record_predictions([_row("p")])


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with Ledger.open(url) as ledger:
        ledger.record_predictions([_row("before")])
        pages = sa.event.listens_for(ledger._engine, "connect")

        @pages
        def limit(connection: object, _: object) -> None:
            # SQLite's own way to have no room left.
            connection.execute("pragma max_page_count = 40")  # type: ignore[attr-defined]  # DB-API

        with pytest.raises(errors.DiskFull):
            ledger.record_predictions(_row(f"p{i}") for i in range(5_000))
        assert [row.prediction_id for row in ledger.predictions()] == ["before"]
