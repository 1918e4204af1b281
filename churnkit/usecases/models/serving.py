"""The model that serves, ready to predict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from churnkit.data.scoring_input import stream_typed
from churnkit.data.sources import Source
from churnkit.domain.models import ModelVersion
from churnkit.errors import NoChampion, UnknownModelVersion
from churnkit.inference.batch import score_batches
from churnkit.inference.compile import CompiledModel
from churnkit.inference.predictor import Predictor
from churnkit.project import Project
from churnkit.registry.bundle import Bundle, read_bundle
from churnkit.registry.journal import holders
from churnkit.settings.models import ServingTable


def find_version(project: Project, version: str | None = None) -> ModelVersion:
    """A model version by its name or alias; None is the champion.

    Raises
    ------
    NoChampion : none serves yet
    UnknownModelVersion : no such version, or no challenger
    """
    if version in (None, "champion", "challenger"):
        holding = holders(project.ledger.journal())
        alias = version or "champion"
        held = holding.get(alias)
        if held is None:
            # Without a champion nothing is served; without a challenger only the name is unknown.
            missing = NoChampion if alias == "champion" else UnknownModelVersion
            raise missing(
                f"there is no {alias} in this project.",
                fix="Train a model with 'churnkit train'.",
                folder=project.folder,
            )
        return project.ledger.model_version(held)
    return project.ledger.model_version(version)


def load_predictor(project: Project, version: str | None = None) -> tuple[Predictor, Bundle]:
    """The predictor of a model version, after checking every file's hash.

    Raises
    ------
    NoChampion, UnknownModelVersion : there is no such model
    BundleError : its files are not what was admitted
    """
    known = find_version(project, version)
    bundle = read_bundle(project.bundle(known.version), manifest_hash=known.bundle_hash)
    return bundle_predictor(bundle, project.settings.serving), bundle


def bundle_predictor(bundle: Bundle, serving: ServingTable) -> Predictor:
    """A predictor on a bundle that was read; scikit-learn is imported when it is needed."""
    return Predictor(
        CompiledModel.from_files(bundle.compiled_files),
        bundle.schema,
        pipeline=bundle.load_pipeline,
        version=bundle.manifest.version,
        serving=serving,
        base_rate=bundle.manifest.base_rate,
    )


def read_predictor(folder: Path, manifest_hash: str | None = None) -> Predictor:
    """The predictor of a bundle's folder, outside of any project (MLflow and Spark use it)."""
    bundle = read_bundle(folder, manifest_hash=manifest_hash)
    manifest = bundle.manifest
    return bundle_predictor(
        bundle, ServingTable(medium_risk=manifest.medium_risk, high_risk=manifest.high_risk)
    )


@dataclass(frozen=True)
class PartPredictor:
    """Scores parts of a table that is spread over many machines.

    ``inputs`` are the model's columns, ``id_column`` names the customer.
    """

    predictor: Predictor

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns that the model reads."""
        return tuple(self.predictor.schema.names())

    @property
    def id_column(self) -> str:
        """The column that names the customer; empty: none."""
        return self.predictor.schema.id_column

    def score(self, part: Source) -> Iterator[pa.RecordBatch]:
        """customer_id, probability, risk_band and model_version of the part's rows."""
        return score_batches(self.predictor, stream_typed(part, self.predictor.schema))


def read_part_predictor(folder: Path, manifest_hash: str | None = None) -> PartPredictor:
    """Read a bundle to score parts of a table; every file's hash is checked.

    Raises
    ------
    BundleError : its files are not what was admitted
    """
    return PartPredictor(read_predictor(folder, manifest_hash))
