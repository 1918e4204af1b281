"""Score one piece of a batch: the result's rows, and the predictions for the ledger.

While a rollout runs, each customer is answered by his arm, as everywhere, and the other model's
prediction is recorded as a shadow. The challenger reads the columns that the champion reads; one
that needs others leaves batches to the champion.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.scoring_input import TypedBatch
from churnkit.domain.jobs import row_ids
from churnkit.domain.recording import PredictionColumns
from churnkit.domain.rollouts import RolloutFailure
from churnkit.errors import ChurnkitError
from churnkit.inference.batch import score_typed
from churnkit.inference.predictor import Predictor
from churnkit.project import Project
from churnkit.registry.bundle import read_bundle
from churnkit.usecases.bundles import find_bundle
from churnkit.usecases.paired_scoring import alone, paired
from churnkit.usecases.rollout_arms import CHALLENGER, CHAMPION, Arms, running_arms
from churnkit.usecases.serving import bundle_predictor, find_version


@dataclass(frozen=True, slots=True)
class Pair:
    """The models of a batch; without a rollout there is one."""

    champion: Predictor
    challenger: Predictor | None = None
    arms: Arms | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """A piece's answers, and what is to be recorded of them."""

    scores: pa.RecordBatch
    ids: list[str]
    unseen: dict[int, tuple[str, ...]]
    predictions: tuple[PredictionColumns, ...]
    failures: tuple[RolloutFailure, ...]


def load_pair(project: Project, champion: Predictor) -> Pair:
    """The models that answer now, beside the champion that the batch began with."""
    arms = running_arms(project)
    if arms is None or arms.champion != champion.version:
        return Pair(champion)
    version = find_version(project, arms.challenger)
    try:
        bundle = read_bundle(find_bundle(project, version), manifest_hash=version.bundle_hash)
    except ChurnkitError:  # it never keeps anybody from an answer
        return Pair(champion)
    kinds = {column.name: column.kind for column in champion.schema.inputs}
    if any(kinds.get(column.name) != column.kind for column in bundle.schema.inputs):
        return Pair(champion)
    return Pair(champion, bundle_predictor(bundle, project.settings.serving), arms)


def score_piece(
    pair: Pair,
    batch: TypedBatch,
    numbers: list[int],
    *,
    job_id: str,
    reasons: int,
    record: bool,
    as_of: datetime | None,
    made_at: datetime,
) -> Answers:
    """Score rows that can be read.

    Parameters
    ----------
    numbers : the rows' places in the file
    record : whether the ledger gets the predictions
    """
    scores, trouble = _answered(pair, batch, reasons)
    ids = row_ids(job_id, numbers)
    unseen = pair.champion.encoder.unseen_rows(batch.columns)
    predictions: tuple[PredictionColumns, ...] = ()
    failures: tuple[RolloutFailure, ...] = ()
    if record:
        made = _Made(scores, ids, unseen, job_id, as_of, made_at, pair.arms)
        predictions = (*made.answers(reasons), *made.shadows(row_ids(job_id, numbers, "shadow")))
    if record and trouble and pair.arms is not None:
        failures = tuple(
            RolloutFailure(
                prediction_id=name, rollout_id=pair.arms.rollout_id, variant=CHALLENGER,
                at=made_at, why=trouble,
            )
            for name in ids
        )  # fmt: skip
    return Answers(scores, ids, unseen, predictions, failures)


def _answered(pair: Pair, batch: TypedBatch, reasons: int) -> tuple[pa.RecordBatch, str]:
    """The answers, and why the challenger gave none."""
    ours = score_typed(pair.champion, batch, reasons=reasons)
    if pair.challenger is None or pair.arms is None:
        return alone(ours), ""
    names = pair.challenger.schema.names()
    theirs = TypedBatch(0, batch.ids, {name: batch.columns[name] for name in names})
    wanted = 0 if pair.arms.shadow_only else reasons
    try:
        other = score_typed(pair.challenger, theirs, reasons=wanted)
    except ChurnkitError as error:
        return alone(ours), error.code
    arms = pair.arms.assignment.arms(batch.ids.to_pylist())
    chosen = pa.array([arm == CHALLENGER for arm in arms], pa.bool_())
    return paired(ours, other, chosen, pc.sum(chosen).as_py() or 0), ""


@dataclass(frozen=True, slots=True)
class _Made:
    """Answers on their way into the ledger."""

    scores: pa.RecordBatch
    ids: list[str]
    unseen: dict[int, tuple[str, ...]]
    job_id: str
    as_of: datetime | None
    made_at: datetime
    arms: Arms | None

    def answers(self, reasons: int) -> list[PredictionColumns]:
        """One for each model that answered somebody."""
        told = _reasons(self.scores, reasons) if reasons else ["[]"] * len(self.ids)
        variants = self.scores.column("variant").to_pylist()
        return [
            self._columns(
                [i for i, one in enumerate(variants) if one == variant],
                ("probability", "risk_band", "model_version"),
                variant,
                self.ids,
                told,
            )
            for variant in dict.fromkeys(variants)
        ]

    def shadows(self, ids: list[str]) -> list[PredictionColumns]:
        """What the other model said of each customer."""
        variants = self.scores.column("variant").to_pylist()
        there = pc.is_valid(self.scores.column("shadow_probability")).to_pylist()
        nothing = ["[]"] * len(ids)
        return [
            self._columns(
                [i for i, one in enumerate(variants) if one == variant and there[i]],
                ("shadow_probability", "shadow_risk_band", "shadow_version"),
                CHAMPION if variant == CHALLENGER else CHALLENGER,
                ids,
                nothing,
                shadow_of=self.ids,
            )
            for variant in dict.fromkeys(variants)
            if any(there)
        ]

    def _columns(
        self,
        places: list[int],
        names: tuple[str, str, str],
        variant: str,
        ids: Sequence[str],
        reasons: Sequence[str],
        shadow_of: Sequence[str] | None = None,
    ) -> PredictionColumns:
        some = self.scores.take(pa.array(places, pa.int64()))
        probability, band, version = (some.column(name).to_pylist() for name in names)
        return PredictionColumns(
            prediction_ids=[ids[i] for i in places],
            customer_ids=some.column("customer_id").to_pylist(),
            probabilities=probability,
            risk_bands=band,
            reasons=[reasons[i] for i in places],
            unknown_categories=[
                json.dumps(self.unseen[i]) if i in self.unseen else None for i in places
            ],
            model_version=version[0] if version else "",
            variant=variant,
            made_at=self.made_at,
            as_of=self.as_of,
            request_id=self.job_id,
            rollout_id=None if self.arms is None else self.arms.rollout_id,
            shadow_of=None if shadow_of is None else [shadow_of[i] for i in places],
        )


def _reasons(scores: pa.RecordBatch, wanted: int) -> list[str]:
    ranked = [
        zip(
            scores.column(f"reason_{k}").to_pylist(),
            scores.column(f"reason_{k}_value").to_pylist(),
            scores.column(f"reason_{k}_points").to_pylist(),
            strict=True,
        )
        for k in range(1, wanted + 1)
    ]
    return [
        json.dumps(
            [
                {"column": column, "value": value, "points": points}
                for column, value, points in row
                if column is not None
            ],
            ensure_ascii=False,
        )
        for row in zip(*ranked, strict=True)
    ]
