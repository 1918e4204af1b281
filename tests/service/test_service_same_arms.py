"""A customer has the same arm in the library, the command line, a file, a request and a stream."""

from __future__ import annotations

import csv
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from typer.testing import CliRunner

import churnkit as ck
from churnkit.cli.main import app
from churnkit.client.blocking import Client
from churnkit.rollout.assignment import CHALLENGER, rollout_assignment
from churnkit.usecases.rollouts.start import start_rollout
from churnkit.usecases.rollouts.verbs import advance_rollout
from tests.copies import copy_project
from tests.live import item, live
from tests.service.test_service_batches import as_csv, customers, ended, lines, result, upload

N = 200
PLAN = {
    "stages": [{"name": "shadow", "share": 0.0}, {"name": "25 %", "share": 0.25}],
    "score_drift": "show",
}


def test_every_way_gives_a_customer_the_same_arm(served_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    copy_project(served_folder, folder)
    rows = customers(N)
    names = [row["customerID"] for row in rows]
    forced = names[0]
    with live(folder, reload_seconds=0.05) as served, ck.open_project(folder) as project:
        begun = datetime.now(UTC) - timedelta(minutes=5)
        start_rollout(
            project, plan=PLAN, salt="everywhere", overrides={forced: CHALLENGER}, now=begun
        )
        assert advance_rollout(project, now=begun + timedelta(minutes=1)).acted
        expected = dict(
            zip(
                names,
                rollout_assignment(
                    salt="everywhere", challenger_share=0.25, overrides={forced: CHALLENGER}
                ).arms(names),
                strict=True,
            )
        )
        assert N / 8 < sum(arm == CHALLENGER for arm in expected.values()) < N / 2
        service = served.service
        assert service is not None
        end = time.monotonic() + 20
        while service.rollouts.live is None or service.rollouts.live.arms.share != 0.25:
            assert time.monotonic() < end, "the service did not hear of the rollout"
            time.sleep(0.02)

        library = ck.score(project, pa.Table.from_pylist(rows), reasons=0).table
        assert library is not None
        assert dict(zip(names, library["variant"].to_pylist(), strict=True)) == expected

        file = tmp_path / "c.csv"
        file.write_bytes(as_csv(rows))
        words = ["-C", folder, "score", file, "-o", tmp_path / "s.csv"]
        answer = CliRunner().invoke(app, list(map(str, words)))
        assert answer.exit_code == 0, answer.output
        with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as told:
            assert {r["customer_id"]: r["variant"] for r in csv.DictReader(told)} == expected

        batch = ended(served, upload(served, as_csv(rows)))
        scored = lines(result(served, batch))
        assert {row["customer_id"]: row["variant"] for row in scored} == expected

        asked = served.predict(*(item(name) for name in names)).json["predictions"]
        assert {row["customer_id"]: row["variant"] for row in asked} == expected

        with Client(served.url, key=served.keys["all"]) as client:
            one = client.predict({forced: item(forced)["features"]}).predictions[0]
        assert one.variant == CHALLENGER
