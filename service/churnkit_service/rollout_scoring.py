"""Scoring while a rollout runs: each customer is answered by his arm, the other model is silent.

An unproven model never costs anybody his answer: where the challenger cannot score a row, the
champion does, and the failure is evidence against the challenger.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from churnkit.domain.identifiers import time_ordered_ids
from churnkit.domain.recording import PredictionColumns
from churnkit.domain.rollouts import RolloutFailure
from churnkit.errors import ChurnkitError
from churnkit.usecases.operating.online import Scorer, Scores
from churnkit.usecases.operating.rollout_serving import CHALLENGER, CHAMPION, LiveArms
from churnkit_service.answered import Answered
from churnkit_service.reading import Asked, Row
from churnkit_service.scoring import Asking, complete, faults_of, refused, score
from churnkit_service.service import Service
from churnkit_service.shadows import Shadowed

log = logging.getLogger("churnkit.rollouts")


@dataclass(slots=True)
class _Side:
    """What one model answered; places count the items that can be scored."""

    places: Sequence[int]
    """Of the rows that were scored, by their place in the answer's lists."""
    scores: Scores
    scorer: Scorer
    variant: str


@dataclass(slots=True)
class _Silent:
    """What the challenger could not answer, and why."""

    places: list[int] = field(default_factory=list)
    why: str = ""


async def predict_in_rollout(call: Asking, asked: Asked, live: LiveArms) -> Answered:
    """Score a request by the arms of its customers.

    Raises
    ------
    RequestInvalid : an item cannot be scored by the champion, and the others shall not be
        without it
    NoChampion : no model serves
    """
    service = call.service
    named = [i for i, row in enumerate(asked.rows) if row is None]
    lacking = await complete(service, asked)
    given = [i for i in range(len(asked.rows)) if i not in lacking]
    rows: list[Row] = [row for row in asked.rows if row is not None]
    customers = [asked.customers[i] for i in given]
    looked_up = {k for k, i in enumerate(given) if i in set(named)}
    arms = live.arms.assignment.arms(customers)
    mine = [k for k, arm in enumerate(arms) if arm == CHALLENGER]
    theirs, silent = await _challenged(service, live, asked, rows, customers, mine, looked_up)
    taken = set(theirs.places)
    rest = [k for k in range(len(rows)) if k not in taken]
    start = time.perf_counter()
    ours = await score(service.champion.scorer, [rows[k] for k in rest], asked.reasons)
    if rest:
        seconds = time.perf_counter() - start
        service.rollouts.readings.answered(live.arms.rollout_id, CHAMPION, seconds)
    faults = faults_of(asked, lacking, [given[k] for k in rest], ours)
    if faults and asked.on_error == "fail":
        raise refused(faults)
    good = [k for n, k in enumerate(rest) if n not in ours.faults]
    sides = (
        _Side(good, ours, service.champion.scorer, CHAMPION),
        theirs,
    )
    return _answered(call, asked, live, sides, silent, rows, customers, looked_up, faults)


async def _challenged(
    service: Service,
    live: LiveArms,
    asked: Asked,
    rows: Sequence[Row],
    customers: Sequence[str],
    mine: Sequence[int],
    looked_up: set[int],
) -> tuple[_Side, _Silent]:
    """What the challenger answers of its rows."""
    scorer, silent = live.challenger, _Silent()
    nothing = _Side((), Scores([], [], []), scorer, CHALLENGER)
    if not mine:
        return nothing, silent
    readings, rollout_id = service.rollouts.readings, live.arms.rollout_id
    try:
        seen = await _rows_for(service, live, asked, rows, customers, mine, looked_up)
        start = time.perf_counter()
        scores = await score(scorer, seen, asked.reasons)
        seconds = time.perf_counter() - start
    except Exception as error:  # noqa: BLE001 - a model may fail in any way: that is evidence
        kind = error.code if isinstance(error, ChurnkitError) else type(error).__name__
        log.warning("the challenger could not answer", extra={"kind": kind})
        readings.failed(rollout_id, CHALLENGER)
        silent.places, silent.why = list(mine), kind
        return nothing, silent
    if scores.faults:
        readings.failed(rollout_id, CHALLENGER)
        silent.places = [mine[n] for n in scores.faults]
        silent.why = "field_fault"
    else:
        readings.answered(rollout_id, CHALLENGER, seconds)
    good = [k for n, k in enumerate(mine) if n not in scores.faults]
    return _Side(good, scores, scorer, CHALLENGER), silent


async def _rows_for(
    service: Service,
    live: LiveArms,
    asked: Asked,
    rows: Sequence[Row],
    customers: Sequence[str],
    places: Sequence[int],
    looked_up: set[int],
) -> list[Row]:
    """Rows as the challenger reads them: looked up anew where its FeatureSet is another one."""
    chosen = [rows[k] for k in places]
    features = service.challenger_features
    again = [n for n, k in enumerate(places) if k in looked_up]
    if not again or features is None:
        return chosen
    if live.challenger.feature_hash == service.champion.scorer.feature_hash:
        return chosen
    moment = asked.as_of or datetime.now(UTC)
    found = await features.features([customers[places[n]] for n in again], moment)
    for n, row in zip(again, found, strict=True):
        chosen[n] = row or {}
    return chosen


def _answered(
    call: Asking,
    asked: Asked,
    live: LiveArms,
    sides: Sequence[_Side],
    silent: _Silent,
    rows: Sequence[Row],
    customers: Sequence[str],
    looked_up: set[int],
    faults: Sequence[Any],
) -> Answered:
    order = sorted(k for side in sides for k in side.places)
    now = time.time()
    made_at = datetime.fromtimestamp(now, UTC)
    ids = dict(zip(order, time_ordered_ids(len(order), int(now * 1000)), strict=True))
    told: dict[int, dict[str, Any]] = {}
    parts: list[PredictionColumns] = []
    shadows: list[Shadowed] = []
    unable = set(silent.places)
    for side in sides:
        if not side.places:
            continue
        parts.append(_columns(call, asked, live, side, ids, customers, made_at, told))
        if side.variant == CHAMPION:  # the challenger may read other columns than were sent
            call.service.noting.note(parts[-1], rows, side.places)
        quiet = CHAMPION if side.variant == CHALLENGER else CHALLENGER
        shadowed = [k for k in side.places if quiet == CHAMPION or k not in unable]
        if shadowed:
            shadows.append(
                Shadowed(
                    rollout_id=live.arms.rollout_id,
                    variant=quiet,
                    scorer=live.challenger if quiet == CHALLENGER else call.service.champion.scorer,
                    rows=[rows[k] for k in shadowed],
                    answers=[ids[k] for k in shadowed],
                    customers=[customers[k] for k in shadowed],
                    looked_up=[n for n, k in enumerate(shadowed) if k in looked_up],
                    made_at=made_at,
                    as_of=asked.as_of,
                    request_id=call.request_id,
                )
            )
    failures = [
        RolloutFailure(
            prediction_id=ids[k],
            rollout_id=live.arms.rollout_id,
            variant=CHALLENGER,
            at=made_at,
            why=silent.why[:64],
        )
        for k in silent.places
        if k in ids
    ]
    errors = [fault.model_dump() for fault in sorted(faults, key=lambda fault: fault.item or 0)]
    body = orjson.dumps({"predictions": [told[k] for k in order], "errors": errors})
    return Answered(body, tuple(parts), tuple(shadows), tuple(failures))


def _columns(
    call: Asking,
    asked: Asked,
    live: LiveArms,
    side: _Side,
    ids: Mapping[int, str],
    customers: Sequence[str],
    made_at: datetime,
    told: dict[int, dict[str, Any]],
) -> PredictionColumns:
    """One model's answers as they are committed; and, in ``told``, as they are sent."""
    scores, n = side.scores, len(side.places)
    reasons = scores.reasons or [[]] * n
    unknown: list[str | None] = [None] * n
    for place, k in enumerate(side.places):
        names = scores.unknown.get(place, ())
        if names:
            unknown[place] = orjson.dumps(names).decode()
        told[k] = {
            "prediction_id": ids[k],
            "customer_id": customers[k],
            "probability": scores.probabilities[place],
            "risk_band": scores.risk_bands[place],
            "reasons": reasons[place],
            "model_version": side.scorer.version,
            "variant": side.variant,
            "unknown_categories": names,
        }
    return PredictionColumns(
        prediction_ids=[ids[k] for k in side.places],
        customer_ids=[customers[k] for k in side.places],
        probabilities=scores.probabilities,
        risk_bands=scores.risk_bands,
        reasons=[orjson.dumps(r).decode() for r in scores.reasons] or ["[]"] * n,
        unknown_categories=unknown,
        model_version=side.scorer.version,
        variant=side.variant,
        made_at=made_at,
        as_of=asked.as_of,
        request_id=call.request_id,
        rollout_id=live.arms.rollout_id,
    )
