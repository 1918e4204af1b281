"""From an upload to a model that serves, its report and its features, without a project folder."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from churnkit.data.samples.locate import telco_path
from churnkit.usecases.projects.simulating import simulate
from tests.live import Live, Told

REPLICAS = "long"
ROWS = 500
CSV = {"Content-Type": "text/csv"}


def ended(served: Live, path: str, told: Told, seconds: float = 120) -> dict[str, Any]:
    """The job when it is over."""
    assert told.status == 202, told.content
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = served.ask("GET", f"{path}/{told.json['id']}").json
        if job["state"] in ("finished", "failed", "cancelled"):
            return dict(job)
        time.sleep(0.1)
    raise AssertionError(job)


@pytest.fixture(scope="module")
def table(on_postgres: Live) -> Iterator[dict[str, Any]]:
    """A table of customers, uploaded."""
    lines = telco_path().read_bytes().splitlines(keepends=True)
    told = on_postgres.ask(
        "POST", "/v1/datasets?name=telco", b"".join(lines[: ROWS + 1]), headers=CSV
    )
    job = ended(on_postgres, "/v1/datasets", told)
    assert job["state"] == "finished", job
    yield job


def test_a_data_set_is_looked_at(on_postgres: Live, table: dict[str, Any]) -> None:
    assert (table["name"], table["kind"], table["n_rows"]) == ("telco", "table", ROWS)
    roles = {role["column"]: role["role"] for role in table["roles"]}
    assert (roles["Churn"], roles["customerID"], roles["tenure"]) == ("target", "id", "input")
    assert 0.2 < table["churn_rate"] < 0.35
    profile = on_postgres.ask("GET", f"/v1/datasets/{table['id']}/profile").json
    assert (profile["n_rows"], profile["target"]) == (ROWS, "Churn")
    tenure = next(column for column in profile["columns"] if column["name"] == "tenure")
    assert 0 <= tenure["low"] < tenure["mean"] < tenure["high"]


def test_what_is_not_clear_is_asked(on_postgres: Live) -> None:
    body = b"a,b,c\n" + b"".join(f"{i % 7},{i % 5},{i}\n".encode() for i in range(100))
    job = ended(
        on_postgres, "/v1/datasets", on_postgres.ask("POST", "/v1/datasets", body, headers=CSV)
    )
    assert job["state"] == "failed"
    assert job["error"]["type"] == "/problems/ambiguous-target"
    assert "/tmp" not in str(job)
    told = on_postgres.ask("GET", f"/v1/datasets/{job['id']}/profile")
    assert told.kind == "job-has-no-result"


def test_a_model_is_trained_reported_and_serves_as_challenger(
    on_postgres: Live, table: dict[str, Any]
) -> None:
    asked = {
        "dataset_id": table["id"], "budget_seconds": 1, "seed": 3, "why": "a test",
        "candidates": ["logistic_regression"], "ignore": ["gender"],
        "money": {"customer_value": 300.0},
    }  # fmt: skip
    key = {"Idempotency-Key": "training"}
    told = on_postgres.ask("POST", "/v1/trainings", asked, headers=key)
    assert on_postgres.ask("POST", "/v1/trainings", asked, headers=key).json == told.json
    job = ended(on_postgres, "/v1/trainings", told)
    assert job["state"] == "finished", job
    result = job["result"]
    assert result["candidate"] == "logistic_regression"
    assert result["alias"] == "challenger"
    assert 0.5 < result["metrics"]["roc_auc"]["value"] < 1
    assert "gender" in result["left_out"]
    models = on_postgres.ask("GET", "/v1/models").json["models"]
    assert result["version"] in {model["version"] for model in models}
    row = on_postgres.ask("GET", "/v1/models/history").json
    assert f"API key {on_postgres.keys['all'].split('_')[1]}" in str(row)

    told = on_postgres.ask("POST", "/v1/reports", {"version": result["version"]})
    report = ended(on_postgres, "/v1/reports", told)
    assert report["state"] == "finished", report
    page = on_postgres.ask("GET", f"/v1/reports/{report['id']}/content")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "sandbox" in page.headers["Content-Security-Policy"]
    text = page.content.decode()
    assert result["version"] in text
    assert "http://" not in text.replace("http://www.w3.org/", "")

    for path, name in (("/v1/trainings", job["id"]), ("/v1/reports", report["id"])):
        listed = on_postgres.ask("GET", path).json[path.rpartition("/")[2]]
        assert name in {one["id"] for one in listed}


def test_what_cannot_be_trained_is_said(on_postgres: Live, table: dict[str, Any]) -> None:
    ask = on_postgres.ask
    assert ask("POST", "/v1/trainings", {"dataset_id": "0" * 32}).kind == "unknown-job"
    assert ask("POST", "/v1/trainings", {"dataset_id": "x"}).status == 422
    asked = {"dataset_id": table["id"], "candidates": ["magic"]}
    assert ask("POST", "/v1/trainings", asked).status == 422
    good = {"dataset_id": table["id"]}
    assert ask("POST", "/v1/trainings", good, key="score").status == 403
    assert ask("POST", "/v1/reports", {"version": "v99"}).kind == "unknown-model-version"
    # Its champion was trained elsewhere.
    report = ended(on_postgres, "/v1/reports", ask("POST", "/v1/reports", {}))
    assert report["error"]["type"] == "/problems/job-has-no-result"
    # Money that never pays: churnkit's own rule, not the contract's.
    asked = {"dataset_id": table["id"], "money": {"offer_cost": 500.0}}
    job = ended(on_postgres, "/v1/trainings", ask("POST", "/v1/trainings", asked))
    assert (job["state"], job["error"]["type"]) == ("failed", "/problems/settings-invalid")


def test_a_training_is_cancelled(on_postgres: Live, table: dict[str, Any]) -> None:
    before = on_postgres.ask("GET", "/v1/models").json["models"]
    told = on_postgres.ask(
        "POST", "/v1/trainings", {"dataset_id": table["id"], "budget_seconds": 600}
    )
    end = time.monotonic() + 60
    while (
        "searching" not in on_postgres.ask("GET", f"/v1/trainings/{told.json['id']}").json["stage"]
    ):
        assert time.monotonic() < end
        time.sleep(0.1)
    on_postgres.ask("POST", f"/v1/trainings/{told.json['id']}/cancel")
    job = ended(on_postgres, "/v1/trainings", told)
    assert job["state"] == "cancelled"
    assert on_postgres.ask("GET", "/v1/models").json["models"] == before


@pytest.mark.long
def test_features_of_a_log(on_postgres: Live, tmp_path: Path) -> None:
    simulate(tmp_path / "sim", customers=400, seed=2)
    log = tmp_path / "sim" / "events" / "part-00000.parquet"
    kind = "application/vnd.apache.parquet"
    told = on_postgres.ask(
        "POST", "/v1/datasets?kind=events", log.read_bytes(), headers={"Content-Type": kind}
    )
    dataset = ended(on_postgres, "/v1/datasets", told)
    assert (dataset["state"], dataset["kind"]) == ("finished", "events"), dataset
    asked = {"dataset_id": dataset["id"]}
    job = ended(on_postgres, "/v1/features", on_postgres.ask("POST", "/v1/features", asked))
    assert job["state"] == "finished", job
    definition = on_postgres.ask("GET", f"/v1/features/{job['id']}/definition").content.decode()
    assert job["features"][0]["name"] in definition
    asked = {
        "dataset_id": dataset["id"], "action": "build", "as_of": ["2025-06-01"],
        "definition": definition,
    }  # fmt: skip
    job = ended(on_postgres, "/v1/features", on_postgres.ask("POST", "/v1/features", asked))
    assert job["state"] == "finished", job
    content = on_postgres.ask("GET", f"/v1/features/{job['id']}/result").content
    built = parquet.read_table(io.BytesIO(content))
    assert built.num_rows == job["built"]["n_rows"]
    customer = built.column("customer_id")[0].as_py()
    asked = {**asked, "action": "show", "customer_id": customer}
    job = ended(on_postgres, "/v1/features", on_postgres.ask("POST", "/v1/features", asked))
    assert job["state"] == "finished", job
    assert job["shown"]["customer_id"] == customer
