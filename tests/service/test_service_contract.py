"""The contract: valid, complete, and kept against a tester that tries everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from churnkit_service.app import ENDPOINTS
from churnkit_service.problems import all_kinds, type_of

from tests.live import Live, item

REPLICAS = "long"
SETTINGS = {"jobs": 0}
"""Whatever the tester uploads is not worked on: it would only take time."""


def test_every_address_is_in_the_contract_with_its_scope(served: Live) -> None:
    document = served.ask("GET", "/openapi.json", key=None).json
    assert document["openapi"] == "3.1.0"
    for endpoint in ENDPOINTS:
        operation = document["paths"][endpoint.path][endpoint.method.lower()]
        assert operation["security"] == ([] if endpoint.scope is None else [{"key": []}])
        if endpoint.scope is not None:
            assert f"`{endpoint.scope}`" in operation["description"]
            assert {"401", "403", "429"} <= set(operation["responses"])
    names = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere(served: Live) -> None:
    document = served.ask("GET", "/openapi.json").json
    known = set(document["components"]["schemas"])

    def references(node: object) -> set[str]:
        if isinstance(node, dict):
            own = {str(node["$ref"])} if "$ref" in node else set()
            return own.union(*(references(value) for value in node.values()))
        if isinstance(node, list):
            return set().union(*(references(value) for value in node)) if node else set()
        return set()

    assert {ref.rpartition("/")[2] for ref in references(document)} <= known


def test_types_of_problems_lead_to_the_page(served: Live) -> None:
    page = served.ask("GET", "/docs").content.decode()
    for kind in all_kinds():
        told = served.ask("GET", type_of(kind), key=None)
        assert told.status == 303
        assert told.headers["Location"].partition("#")[2] in page


def test_the_answer_has_the_documented_fields(served: Live) -> None:
    schemas = served.ask("GET", "/openapi.json").json["components"]["schemas"]
    (prediction,) = served.predict(item(), reasons=1).json["predictions"]
    assert set(prediction) == set(schemas["Prediction"]["properties"])
    assert set(prediction["reasons"][0]) == set(schemas["PredictionReason"]["properties"])


def _schemathesis(served: Live, seed: int, examples: int, tmp_path: Path) -> None:
    ran = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis", "run", f"{served.url}/openapi.json",
            "-H", f"Authorization: Bearer {served.keys['admin']}",
            # Which features a model reads is not in the contract: what fits the contract may
            # still be refused (422, with each fault named).
            "--checks", "all", "--exclude-checks", "positive_data_acceptance",
            "--max-examples", str(examples), "--seed", str(seed),
            "--generation-database=none", "--phases", "examples,coverage,fuzzing",
            # An answer without an end; test_service_feed.py asks for each documented one.
            "--exclude-path", "/v1/feed",
            "--workers", "1", "--no-color",
        ],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-6_000:] + ran.stderr[-2_000:]


def test_schemathesis_finds_no_fault(on_postgres: Live, tmp_path: Path) -> None:
    _schemathesis(on_postgres, 1, 5, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("seed", [11, 12])
def test_schemathesis_finds_no_fault_in_depth(on_postgres: Live, tmp_path: Path, seed: int) -> None:
    _schemathesis(on_postgres, seed, 12, tmp_path)
