"""Jobs' files in a shared folder: the same bytes, gone with their rows, and nothing left over."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from churnkit.domain.jobs import Job, JobPart
from churnkit.errors import StorageUnreachable
from churnkit.ledger import jobs, tables
from churnkit.ledger.erasers import erase_rows
from churnkit.ledger.store import Ledger
from churnkit.ledger.transactions import writing

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


def _job(name: str, state: str = "queued") -> Job:
    return Job(
        job_id=name * 32, kind="batch", state=state, owner="o", request={}, created_at=NOW,
        stage="waiting",
    )  # fmt: skip


def _read(ledger: Ledger, job: Job, name: str = "input") -> list[bytes]:
    found, number = [], -1
    while part := jobs.next_part(ledger.engine, job.job_id, name, number):
        found.append(part.content)
        number = part.number
    return found


def _files(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_file_is_read_as_it_was_written_and_goes_with_its_row(
    ledger_url: str, folder: Path
) -> None:
    job, parts = _job("a"), [JobPart("input", i, b"part %d" % i) for i in range(3)]
    with Ledger.open(ledger_url) as plain:  # before the setting was made
        jobs.insert_job(plain.engine, _job("b"), parts=parts[:1])
    with Ledger.open(ledger_url, files=folder) as ledger:
        jobs.insert_job(ledger.engine, job, parts=parts)
        with ledger.reading() as connection:
            column = tables.job_files.c
            kept = connection.execute(sa.select(column.content).where(column.job_id == job.job_id))
            assert set(kept.scalars()) == {b""}
        assert _files(folder) == [b"part 0", b"part 1", b"part 2"]
        assert _read(ledger, job) == [b"part 0", b"part 1", b"part 2"]
        assert _read(ledger, _job("b")) == [b"part 0"]
        jobs.cancel_job(ledger.engine, job.job_id, "batch", NOW)
        assert (_read(ledger, job), list(folder.iterdir())) == ([], [])
        jobs.insert_job(ledger.engine, _job("c", "finished"), parts=parts)
        assert jobs.delete_job(ledger.engine, "c" * 32)
        assert list(folder.iterdir()) == []


def test_a_transaction_that_is_rolled_back_deletes_nothing(ledger_url: str, folder: Path) -> None:
    job = _job("a")
    with Ledger.open(ledger_url, files=folder) as ledger:
        jobs.insert_job(ledger.engine, job, parts=[JobPart("input", 0, b"kept")])
        with pytest.raises(RuntimeError), writing(ledger.engine) as connection:
            jobs.delete_files(connection, job.job_id, ["input"])
            raise RuntimeError
        with writing(ledger.engine):
            pass
        assert _read(ledger, job) == [b"kept"]


def test_erasure_and_age_reach_the_folder(ledger_url: str, folder: Path) -> None:
    with Ledger.open(ledger_url, files=folder) as ledger:
        # The id lies across two parts.
        halves = [JobPart("input", 0, b"id\nsome-cus"), JobPart("input", 1, b"tomer\n")]
        jobs.insert_job(ledger.engine, _job("a"), parts=halves)
        jobs.insert_job(ledger.engine, _job("b"), parts=[JobPart("input", 0, b"somebody else")])
        with writing(ledger.engine) as connection:
            assert erase_rows(connection, "some-customer")["job_files"] == 2
        assert _files(folder) == [b"somebody else"]
        ended = _job("c", "finished").model_copy(update={"finished_at": NOW})
        jobs.insert_job(ledger.engine, ended, parts=[JobPart("result", 0, b"old")])
        later = NOW + timedelta(days=2)
        n = jobs.delete_old_jobs(
            ledger.engine, ended_before=NOW + timedelta(days=1), idle_seconds=600, now=later
        )
        assert (n, _files(folder)) == (1, [b"somebody else"])


def test_what_a_crash_left_is_swept_once_it_is_old(ledger_url: str, folder: Path) -> None:
    with Ledger.open(ledger_url, files=folder) as ledger:
        jobs.insert_job(ledger.engine, _job("a"), parts=[JobPart("input", 0, b"named")])
        for name in ("lost", "young"):
            (folder / name).mkdir()
            (folder / name / "input-0-x").write_bytes(name.encode())
        hour = 3_700
        for path in [*folder.rglob("*"), *folder.iterdir()]:
            if "young" not in str(path):
                at = path.stat().st_mtime - hour
                os.utime(path, (at, at))
        jobs.delete_old_jobs(ledger.engine, ended_before=NOW, idle_seconds=600, now=NOW)
        assert _files(folder) == [b"named", b"young"]
        assert not (folder / "lost").exists()


def test_a_folder_that_is_not_mounted_is_said(ledger_url: str, folder: Path) -> None:
    job = _job("a")
    with Ledger.open(ledger_url, files=folder) as ledger:
        jobs.insert_job(ledger.engine, job, parts=[JobPart("input", 0, b"there")])
    for elsewhere in (folder / "not-mounted", None):
        with Ledger.open(ledger_url, files=elsewhere) as ledger:
            with pytest.raises(StorageUnreachable, match="folder") as refused:
                _read(ledger, job)
            assert "service.files" in refused.value.fix
            if elsewhere is not None:
                with pytest.raises(StorageUnreachable, match="cannot be written"):
                    jobs.insert_job(ledger.engine, _job("b"), parts=[JobPart("input", 0, b"x")])
                assert jobs.find_job(ledger.engine, "b" * 32) is None
                assert not elsewhere.exists()
