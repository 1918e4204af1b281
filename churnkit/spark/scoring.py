"""Scores on Spark: the bundle goes once to every worker, the rows stay where they are."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from churnkit.domain.progress import Cancel
from churnkit.errors import BadValue
from churnkit.usecases.models.serving import PartPredictor, read_part_predictor

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

COLUMNS = "customer_id string, probability double, risk_band string, model_version string"


def score_frame(frame: DataFrame, bundle: Path, *, manifest_hash: str | None = None) -> DataFrame:
    """Score the rows of a DataFrame with a model's bundle.

    Parameters
    ----------
    frame : the model's inputs and its id column, in the types of the training data
    bundle : a bundle's folder (``store/bundles/v1``), on the driver
    manifest_hash : the SHA-256 of its manifest that the ledger holds; None: it is not checked

    Returns
    -------
    scored : customer_id, probability, risk_band, model_version; equal to local scores to 1e-12

    Raises
    ------
    BundleError : the bundle was damaged
    BadValue : the model has no id column, so that rows of a distributed table have no name
    """
    # Before anything is sent: a broken bundle is told here, not by every worker.
    predictor = read_part_predictor(bundle, manifest_hash)
    if not predictor.id_column:
        raise BadValue(
            "the model was trained without an id column; rows on Spark have no number.",
            fix="Name columns.id in churnkit.toml and train again.",
            column="columns.id",
        )
    manifest = manifest_hash or hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    name = f"churnkit-bundle-{manifest[:16]}"
    frame.sparkSession.sparkContext.addArchive(f"{_packed(bundle, name)}#{name}")
    used = [predictor.id_column, *predictor.inputs]
    chosen = frame.select(*("`" + column.replace("`", "``") + "`" for column in used))
    return chosen.mapInArrow(partial(_score_part, name, manifest), COLUMNS)


@lru_cache(maxsize=16)
def _packed(bundle: Path, name: str) -> str:
    """The bundle as one file; workers may fetch it as long as the driver lives."""
    folder = tempfile.mkdtemp(prefix="churnkit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return shutil.make_archive(str(Path(folder) / name), "zip", bundle)


def _score_part(
    name: str, manifest_hash: str, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Runs on a worker: the rows of one partition."""
    predictor = _on_worker(name, manifest_hash)
    for batch in batches:
        if batch.num_rows:
            yield from predictor.score(_Part(batch))


@lru_cache(maxsize=2)
def _on_worker(name: str, manifest_hash: str) -> PartPredictor:
    from pyspark import SparkFiles

    return read_part_predictor(Path(SparkFiles.get(name)), manifest_hash)


class _Part:
    """A record batch as a source of customers."""

    row_offset = 1
    name = "the table on Spark"

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def columns(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(self._batch.schema.names)

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        """The rows, in order."""
        yield self._batch
