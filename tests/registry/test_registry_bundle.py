"""A bundle is what was admitted, or it is not used."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churnkit import errors
from churnkit.domain.evaluation import Estimate
from churnkit.registry.admission import check_parity
from churnkit.registry.bundle import MANIFEST, PIPELINE, read_bundle, verify_bundle, write_bundle
from churnkit.registry.reference import reference_distribution
from churnkit.registry.skops_file import TRUSTED, dump_pipeline, load_pipeline
from churnkit.settings.models import ServingTable
from tests.models import KINDS, fitted


def _write(folder: Path, pipeline: object = None) -> str:
    model = fitted("logistic_regression")
    _, digest = write_bundle(
        folder,
        version="v1",
        run_id="run",
        candidate="logistic_regression",
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        schema=model.schema,
        data_fingerprint="ab" * 32,
        feature_hash="cd" * 32,
        metrics={"roc_auc": Estimate(value=0.8, low=0.7, high=0.9)},
        base_rate=0.3,
        serving=ServingTable(),
        versions={"python": "3.11"},
        pipeline=model.pipeline if pipeline is None else pipeline,
        compiled_files={"compiled.json": b"{}", "trees.treelite": bytes(range(256))},
        reference={"n_rows": 3},
    )
    return digest


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("bundles") / "v1"
    return folder, _write(folder)


def test_what_was_written_is_read(bundle: tuple[Path, str]) -> None:
    folder, digest = bundle
    read = read_bundle(folder, manifest_hash=digest)
    model = fitted("logistic_regression")
    assert read.schema == model.schema
    assert read.compiled_files["trees.treelite"] == bytes(range(256))
    assert read.reference == {"n_rows": 3}
    again = read.load_pipeline().predict_proba(model.frame)
    assert np.array_equal(again, model.pipeline.predict_proba(model.frame))
    assert all(check.state == "ok" for check in verify_bundle(folder, digest))
    unasked = Counter(check.state for check in verify_bundle(folder))
    assert unasked["unchecked"] == 1
    assert not unasked["failed"]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_found(bundle: tuple[Path, str], data: st.DataObject) -> None:
    folder, digest = bundle
    path = data.draw(st.sampled_from(sorted(p for p in folder.rglob("*") if p.is_file())))
    good = path.read_bytes()
    position = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        path.write_bytes(bytes(bad))
        name = f"v1/{path.relative_to(folder).as_posix()}"
        failed = [check for check in verify_bundle(folder, digest) if check.state == "failed"]
        assert name in {check.subject for check in failed}
        with pytest.raises(errors.BundleError):
            read_bundle(folder, manifest_hash=digest)
    finally:
        path.write_bytes(good)


@pytest.fixture
def copy(bundle: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    shutil.copytree(bundle[0], tmp_path / "v1")
    return tmp_path / "v1", bundle[1]


def test_missing_truncated_and_added_files(copy: tuple[Path, str]) -> None:
    folder, digest = copy
    (folder / "note.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(errors.BundleTampered, match=r"note\.txt"):
        read_bundle(folder, manifest_hash=digest)
    assert any(check.state == "failed" for check in verify_bundle(folder, digest))
    (folder / "note.txt").unlink()
    path = folder / "compiled" / "trees.treelite"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(errors.BundleTampered, match="trees"):
        read_bundle(folder, manifest_hash=digest)
    path.unlink()
    with pytest.raises(errors.BundleUnreadable, match="trees"):
        read_bundle(folder, manifest_hash=digest)
    shutil.rmtree(folder)
    with pytest.raises(errors.BundleUnreadable):
        read_bundle(folder, manifest_hash=digest)
    assert verify_bundle(folder, digest)[0].state == "failed"


def test_another_format_and_another_product(copy: tuple[Path, str]) -> None:
    folder, _ = copy
    path = folder / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "churnkit_bundle": 2, "new": 1}), encoding="utf-8")
    with pytest.raises(errors.BundleTooNew, match="format 2"):
        read_bundle(folder)
    path.write_text('{"mlflow": 1}', encoding="utf-8")
    with pytest.raises(errors.BundleForeign):
        read_bundle(folder)
    path.unlink()
    with pytest.raises(errors.BundleForeign):
        read_bundle(folder)


def test_a_manifest_cannot_point_outside(copy: tuple[Path, str]) -> None:
    folder, _ = copy
    path = folder / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    content["files"]["../secret"] = "00"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(errors.BundleTampered, match="outside"):
        read_bundle(folder)


class Foreign:
    """A type that is on nobody's list."""


def test_a_type_outside_of_the_list_is_refused(copy: tuple[Path, str], tmp_path: Path) -> None:
    from skops import io

    with pytest.raises(errors.UntrustedType, match="Foreign"):
        dump_pipeline(Foreign(), tmp_path / "x.skops")
    # Somebody who can compute hashes, too, gets no further.
    folder, _ = copy
    io.dump(Foreign(), folder / PIPELINE)
    path = folder / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    content["files"][PIPELINE] = hashlib.sha256((folder / PIPELINE).read_bytes()).hexdigest()
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(errors.UntrustedType, match="Foreign"):
        read_bundle(folder).load_pipeline()


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(errors.UntrustedType):
        _write(tmp_path / "bundles" / "v1", Foreign())
    assert list((tmp_path / "bundles").iterdir()) == []


def test_the_trust_list_is_as_short_as_can_be(tmp_path: Path) -> None:
    from skops import io

    needed: set[str] = set()
    for number, (name, method) in enumerate(KINDS):
        model = fitted(name, method)
        path = tmp_path / f"{number}.skops"
        dump_pipeline(model.pipeline, path)
        needed |= set(io.get_untrusted_types(file=path))
        again = load_pipeline(path).predict_proba(model.frame)
        assert np.array_equal(again, model.pipeline.predict_proba(model.frame))
    assert needed == set(TRUSTED)
    assert not [name for name in TRUSTED if "partial" in name]


def test_a_damaged_pipeline_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.skops"
    path.write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(errors.BundleUnreadable):
        load_pipeline(path)


@pytest.mark.parametrize("difference", [1e-11, float("nan"), float("inf")])
def test_the_gate_refuses(difference: float) -> None:
    check_parity({"some rows": 1e-13})
    with pytest.raises(errors.ParityFailed, match="some rows"):
        check_parity({"fine": 0.0, "some rows": difference})


def test_the_reference_holds_no_customer() -> None:
    model = fitted("logistic_regression")
    reference = reference_distribution(
        model.table, model.schema, model.rows, np.linspace(0, 1, 500)
    )
    text = json.dumps(reference)
    assert "C0000" not in text
    charges = model.table["monthly_charge"].drop_null().to_pylist()
    edges = reference["inputs"]["monthly_charge"]["edges"]
    assert min(charges) not in edges
    assert max(charges) not in edges
    for part in reference["inputs"].values():
        # The first counts the missing; the last of a category all other values together.
        bins = part["counts"][1:-1] if "categories" in part else part["counts"][1:]
        assert all(n == 0 or n >= 5 for n in bins)


def test_other_rows_decide_the_bins_than_are_counted() -> None:
    model = fitted("logistic_regression")
    probabilities = np.linspace(0, 1, 500)
    reference = reference_distribution(model.table, model.schema, model.rows, probabilities)
    n_counted = len(model.rows) - len(model.rows) // 5
    for part in reference["inputs"].values():
        assert sum(part["counts"]) == n_counted
        assert sum(part["planned"]) == pytest.approx(1, abs=0.01)
    assert sum(reference["scores"]["counts"]) == 400
    assert len(reference["scores"]["edges"]) == 9
    # A value of many customers has a bin for itself: neither 0 < tenure < 1 nor others fall in it.
    assert reference["inputs"]["senior"]["edges"] == [0, 5e-324, 1, np.nextafter(1, 2)]
    assert reference["inputs"]["senior"]["counts"][1] == 0
