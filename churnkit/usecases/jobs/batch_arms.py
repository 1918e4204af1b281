"""The running rollout as a batch follows it: asked for again with every piece of the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from churnkit.data.scoring_input import TypedBatch
from churnkit.domain.recording import PredictionColumns
from churnkit.domain.rollouts import RolloutFailure
from churnkit.errors import ChurnkitError
from churnkit.inference.batch import score_typed
from churnkit.inference.predictor import Predictor
from churnkit.project import Project
from churnkit.registry.bundle import Bundle, read_bundle
from churnkit.usecases.models.bundles import find_bundle
from churnkit.usecases.models.serving import bundle_predictor, find_version
from churnkit.usecases.rollouts.arms import CHALLENGER, CHAMPION, Arms, running_arms
from churnkit.usecases.scoring.paired import SHADOW, alone, pair_up


@dataclass(frozen=True, slots=True)
class LivePair:
    """The arms of now, and the challenger, ready to score."""

    arms: Arms
    challenger: Predictor

    def score(
        self, champion: pa.RecordBatch, batch: TypedBatch, reasons: int
    ) -> tuple[pa.RecordBatch, str]:
        """The answers with ``variant`` and the other model's scores, and why it has none."""
        try:
            wanted = 0 if self.arms.shadow_only else reasons
            other = score_typed(self.challenger, batch, reasons=wanted)
        except ChurnkitError as error:
            return alone(champion), error.code
        ids = champion.column("customer_id").to_pylist()
        chosen = pa.array([arm == CHALLENGER for arm in self.arms.assignment.arms(ids)], pa.bool_())
        return pair_up(champion, other, chosen), ""


class BatchArms:
    """Follows the rollout while a batch is scored.

    Where the challenger reads other columns than the batch's model, the batch is no part of the
    rollout: its customers would count as failures that they are not.
    """

    def __init__(self, project: Project, champion: str, bundle: Bundle) -> None:
        self._project, self._champion, self._bundle = project, champion, bundle
        self._loaded: tuple[str, Predictor | None] | None = None

    def now(self) -> LivePair | None:
        """The arms that a piece is shared out by; None: the champion alone answers."""
        arms = running_arms(self._project)
        if arms is None or arms.champion != self._champion:
            return None
        if self._loaded is None or self._loaded[0] != arms.challenger:
            self._loaded = (arms.challenger, self._load(arms.challenger))
        challenger = self._loaded[1]
        return None if challenger is None else LivePair(arms, challenger)

    def _load(self, version: str) -> Predictor | None:
        try:
            known = find_version(self._project, version)
            bundle = read_bundle(find_bundle(self._project, known), manifest_hash=known.bundle_hash)
        except ChurnkitError:  # the champion answers; the controller sees to the rest
            return None
        ours = {column.name: column.kind for column in self._bundle.schema.inputs}
        theirs = {column.name: column.kind for column in bundle.schema.inputs}
        same = bundle.manifest.feature_hash == self._bundle.manifest.feature_hash
        if bundle.features is not None and not same:
            return None
        if any(ours.get(name) != kind for name, kind in theirs.items()):
            return None
        return bundle_predictor(bundle, self._project.settings.serving)


def recorded(
    paired: pa.RecordBatch,
    ids: Sequence[str],
    reasons: Sequence[str],
    unknown: Mapping[int, Sequence[str]],
    arms: Arms,
    *,
    made_at: datetime,
    as_of: datetime | None,
    request_id: str,
    trouble: str,
) -> tuple[list[PredictionColumns], list[RolloutFailure]]:
    """What a piece adds to the ledger: answers and shadows of each arm, and failures."""
    variants = paired.column("variant").to_pylist()
    answers = _Columns(paired, ("probability", "risk_band", "model_version"))
    silent = _Columns(paired, SHADOW)
    parts: list[PredictionColumns] = []
    for variant in (CHAMPION, CHALLENGER):
        rows = [i for i, name in enumerate(variants) if name == variant]
        shadowed = [i for i in rows if silent.probabilities[i] is not None]
        other = CHAMPION if variant == CHALLENGER else CHALLENGER
        for columns, places, name, shadow in (
            (answers, rows, variant, False),
            (silent, shadowed, other, True),
        ):
            if not places:
                continue
            parts.append(
                PredictionColumns(
                    prediction_ids=[_shadow_id(ids[i]) if shadow else ids[i] for i in places],
                    customer_ids=[answers.customers[i] for i in places],
                    probabilities=[columns.probabilities[i] for i in places],
                    risk_bands=[columns.bands[i] for i in places],
                    reasons=["[]" if shadow else reasons[i] for i in places],
                    unknown_categories=[
                        json.dumps(unknown[i]) if i in unknown and not shadow else None
                        for i in places
                    ],
                    model_version=columns.versions[places[0]],
                    variant=name,
                    made_at=made_at,
                    as_of=as_of,
                    request_id=request_id,
                    rollout_id=arms.rollout_id,
                    shadow_of=[ids[i] for i in places] if shadow else None,
                )
            )
    failures = [
        RolloutFailure(
            prediction_id=ids[i],
            rollout_id=arms.rollout_id,
            variant=CHALLENGER,
            at=made_at,
            why=trouble[:64],
        )
        for i in range(len(ids))
        if silent.probabilities[i] is None
    ]
    return parts, failures


class _Columns:
    """One model's scores as lists."""

    def __init__(self, paired: pa.RecordBatch, names: Sequence[str]) -> None:
        self.customers = paired.column("customer_id").to_pylist()
        self.probabilities, self.bands, self.versions = (
            paired.column(name).to_pylist() for name in names
        )


def _shadow_id(name: str) -> str:
    """The same answer always has the same shadow: a piece that is scored again adds none."""
    return hashlib.blake2b(f"{name} shadow".encode(), digest_size=16).hexdigest()
