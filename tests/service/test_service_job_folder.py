"""Uploads and results in a folder that two replicas share."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from churnkit.client.blocking import Client
from churnkit.ledger.tables import job_files
from tests.live import item, two_replicas

N = 50


@pytest.mark.long
def test_a_process_may_start_more_slowly_than_a_lease_lasts(
    served_folder: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else replicas would take the job from each other until it is given up."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time\nif 'churnkit_service.job_process' in sys.orig_argv: time.sleep(7)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    file = tmp_path / "customers.ndjson"
    file.write_text(json.dumps(item("slow")), encoding="utf-8")
    with two_replicas(served_folder, postgres_url, job_lease_seconds=4.0) as served:
        with Client(served.url, key=served.keys["all"]) as client:
            batch = client.batches.wait_for(client.batches.submit(file))
        assert (batch.state, batch.done) == ("finished", 1), batch.error


def test_a_batch_goes_through_the_shared_folder(
    served_folder: Path, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("CHURNKIT_SERVICE_FILES", str(shared))
    file = tmp_path / "customers.ndjson"
    items = [item(f"c{i}", tenure=i) for i in range(N)]
    file.write_text("\n".join(map(json.dumps, items)), encoding="utf-8")
    with two_replicas(served_folder, postgres_url, job_rows=20) as served:
        with Client(served.url, key=served.keys["all"]) as client:
            batch = client.batches.wait_for(client.batches.submit(file))
            assert (batch.state, batch.done) == ("finished", N), batch.error
            path = client.batches.result(batch.id, tmp_path / "out.ndjson", format="ndjson")
            assert len(path.read_text(encoding="utf-8").splitlines()) == N
            assert served.service is not None
            with served.service.project.ledger.reading() as connection:
                kept = connection.execute(sa.select(job_files.c.content, job_files.c.place)).all()
            assert kept
            assert all(content == b"" and (shared / place).is_file() for content, place in kept)
            assert sum(one.is_file() for one in shared.rglob("*")) == len(kept)
        assert served.ask("DELETE", f"/v1/batches/{batch.id}").status == 204
        assert list(shared.iterdir()) == []
