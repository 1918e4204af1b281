"""While a rollout runs, a batch answers each customer as a single prediction does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from churnkit.client.blocking import Client
from churnkit.ledger.tables import predictions
from tests.copies import copy_project
from tests.live import Live, item, live


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_each_customer_is_answered_by_his_arm(
    request: pytest.FixtureRequest, served_folder: Path, tmp_path: Path, engine: str
) -> None:
    folder, url = served_folder, ""
    if engine == "sqlite":
        folder = tmp_path / "project"
        copy_project(served_folder, folder)
    else:
        url = str(request.getfixturevalue("postgres_url"))
    names = ["A", *(f"c{i}" for i in range(30))]
    file = tmp_path / "customers.ndjson"
    items = [item(name, tenure=i) for i, name in enumerate(names)]
    file.write_text("\n".join(map(json.dumps, items)), encoding="utf-8")
    with live(folder, url, reload_seconds=0.05, job_rows=7) as served:
        with Client(served.url, key=served.keys["all"]) as client:
            rollout = client.start_rollout(why="a test", overrides={"A": "challenger"}).rollout_id
            batch = client.batches.wait_for(client.batches.submit(file, reasons=1))
            assert (batch.state, batch.failed) == ("finished", 0), batch.error
            path = client.batches.result(batch.id, tmp_path / "out.ndjson", format="ndjson")
            single = {p.customer_id: p for p in client.predict({n: i["features"] for n, i in zip(
                names, items, strict=True)}).predictions}  # fmt: skip
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            one = single[row["customer_id"]]
            assert (row["variant"], row["model_version"]) == (one.variant, one.model_version)
            assert row["probability"] == pytest.approx(one.probability, abs=1e-12)
        assert {row["variant"] for row in rows if row["customer_id"] == "A"} == {"challenger"}
        _check_shadows(served, batch.id, rollout, {row["prediction_id"]: row for row in rows})


def _check_shadows(served: Live, name: str, rollout: str, rows: dict[str, dict[str, str]]) -> None:
    assert served.service is not None
    query = sa.select(predictions).where(predictions.c.request_id == name)
    with served.service.project.ledger.reading() as connection:
        recorded = connection.execute(query).mappings().all()
    answers = {row["prediction_id"]: row for row in recorded if row["shadow_of"] is None}
    shadows = {row["shadow_of"]: row for row in recorded if row["shadow_of"] is not None}
    assert set(answers) == set(shadows) == set(rows)
    assert len(recorded) == 2 * len(rows)
    assert {row["rollout_id"] for row in recorded} == {rollout}
    for key, answer in answers.items():
        assert answer["probability"] == rows[key]["probability"]
        assert {answer["variant"], shadows[key]["variant"]} == {"champion", "challenger"}
        assert {answer["model_version"], shadows[key]["model_version"]} == {"v1", "v2"}
        assert answer["customer_id"] == shadows[key]["customer_id"]
