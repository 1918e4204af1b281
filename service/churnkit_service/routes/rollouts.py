"""``/v1/rollouts``: whether a new model may take over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aiohttp import web

from churnkit.client.messages.rollouts import (
    Rollout,
    RolloutEvidenceAnswer,
    RolloutHistoryAnswer,
    RolloutLook,
    RolloutMove,
    RolloutPreview,
    RolloutPreviewAsked,
    RolloutsAnswer,
    RolloutStart,
)
from churnkit.errors import (
    BundleError,
    ExperimentRunning,
    NoChampion,
    PlanInvalid,
    RolloutChanged,
    RolloutOver,
    RolloutRunning,
    StepNotAllowed,
    StorageUnreachable,
    UnknownModelVersion,
    UnknownRollout,
)
from churnkit.usecases.rollouts import (
    forecasts as rollout_forecasts,
)
from churnkit.usecases.rollouts import (
    start as rollout_start,
)
from churnkit.usecases.rollouts import (
    verbs as rollouts,
)
from churnkit.usecases.rollouts.views import RolloutView
from churnkit_service.endpoint import Call, Endpoint, Handler, read_body, told
from churnkit_service.problems import IdempotencyKeyReused, RequestInFlight, RequestInvalid
from churnkit_service.starting import start_once


async def create(call: Call) -> web.Response:
    """Start a rollout."""
    return await start_once(
        call,
        partial(_start, call),
        kind="rollout",
        answer=Rollout,
        address=lambda view: f"/v1/rollouts/{view.rollout_id}",
    )


async def _start(call: Call, salt: str | None) -> RolloutView:
    asked = read_body(call, RolloutStart)
    return await call.ask(
        rollout_start.start_rollout,
        asked.challenger,
        plan=asked.plan,
        overrides=asked.overrides,
        customers=asked.customers,
        predictions_per_day=asked.predictions_per_day,
        attempt=asked.attempt,
        why=asked.why,
        who=call.caller.name,
        salt=salt,
    )


async def preview(call: Call) -> web.Response:
    """What a rollout would be."""
    asked = read_body(call, RolloutPreviewAsked)
    found = await call.ask(
        rollout_forecasts.preview_rollout,
        asked.challenger,
        plan=asked.plan,
        customers=asked.customers,
        predictions_per_day=asked.predictions_per_day,
    )
    return told(RolloutPreview, found.to_json())


async def index(call: Call) -> web.Response:
    """All rollouts."""
    found = await call.ask(rollouts.list_rollouts)
    return told(RolloutsAnswer, found.to_json())


async def show(call: Call) -> web.Response:
    """One rollout, with its evidence."""
    view = await call.ask(rollouts.rollout_status, _named(call))
    return told(Rollout, view.to_json())


async def history(call: Call) -> web.Response:
    """What was done with it."""
    found = await call.ask(rollouts.rollout_history, _named(call))
    return told(RolloutHistoryAnswer, found.to_json())


async def evidence(call: Call) -> web.Response:
    """What is known of it, and how it came to be known."""
    found = await call.ask(rollouts.rollout_history, _named(call), all_looks=True)
    return told(RolloutEvidenceAnswer, found.evidence_json())


async def advance(call: Call) -> web.Response:
    """Look now."""
    looked = await call.ask(
        rollouts.advance_rollout, _named(call), who=call.caller.name, past=False
    )
    if looked.acted:
        call.service.rollouts.look_now()
    return told(RolloutLook, looked.to_json())


async def pause(call: Call) -> web.Response:
    """Keep it as it is."""
    return await _move(call, rollouts.pause_rollout)


async def resume(call: Call) -> web.Response:
    """Go on."""
    return await _move(call, rollouts.resume_rollout)


async def promote(call: Call) -> web.Response:
    """Let the challenger serve everybody."""
    return await _move(call, rollouts.promote_rollout)


async def abort(call: Call) -> web.Response:
    """Back to the champion alone."""
    return await _move(call, rollouts.abort_rollout)


async def _move(call: Call, move: Callable[..., RolloutView]) -> web.Response:
    asked = read_body(call, RolloutMove)
    view = await call.ask(
        move,
        _named(call),
        why=asked.why,
        who=call.caller.name,
        expected_revision=asked.expected_revision,
    )
    call.service.rollouts.look_now()
    return told(Rollout, view.to_json())


def _named(call: Call) -> str:
    return call.request.match_info["rollout_id"]


_MOVES = (UnknownRollout, RolloutOver, RolloutChanged, StepNotAllowed, RequestInvalid)


def _move_endpoint(name: str, handler: Handler, summary: str) -> Endpoint:
    return Endpoint(
        "POST",
        f"/v1/rollouts/{{rollout_id}}/{name}",
        handler,
        summary,
        "rollouts",
        "operate",
        body=RolloutMove,
        answers={200: (Rollout, "How it stands now.")},
        problems=(*_MOVES, BundleError, StorageUnreachable),
        description="What is so already is left as it is, so that it may be sent again.",
    )


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/rollouts",
        create,
        "Start a rollout",
        "rollouts",
        "operate",
        body=RolloutStart,
        answers={201: (Rollout, "The rollout, in shadow.")},
        problems=(
            RequestInvalid,
            PlanInvalid,
            NoChampion,
            UnknownModelVersion,
            RolloutRunning,
            ExperimentRunning,
            StepNotAllowed,
            BundleError,
            RequestInFlight,
            IdempotencyKeyReused,
            StorageUnreachable,
        ),
        idempotent_key=True,
        description="From now on both models score each request; who is answered by the challenger "
        "follows from the stage. At most one rollout runs.",
    ),
    Endpoint(
        "POST",
        "/v1/rollout-previews",
        preview,
        "Look at a plan before it is started",
        "rollouts",
        "read",
        body=RolloutPreviewAsked,
        answers={200: (RolloutPreview, "The plan and its forecast; nothing was started.")},
        problems=(
            RequestInvalid,
            PlanInvalid,
            NoChampion,
            UnknownModelVersion,
            StepNotAllowed,
            StorageUnreachable,
        ),
    ),
    Endpoint(
        "GET",
        "/v1/rollouts",
        index,
        "List rollouts",
        "rollouts",
        "read",
        answers={200: (RolloutsAnswer, "All of them, the oldest first.")},
        problems=(StorageUnreachable,),
    ),
    Endpoint(
        "GET",
        "/v1/rollouts/{rollout_id}",
        show,
        "Show a rollout with its evidence",
        "rollouts",
        "read",
        answers={200: (Rollout, "Where it stands, and what was seen at the latest look.")},
        problems=(UnknownRollout, StorageUnreachable),
    ),
    Endpoint(
        "GET",
        "/v1/rollouts/{rollout_id}/history",
        history,
        "Show what was done with a rollout",
        "rollouts",
        "read",
        answers={200: (RolloutHistoryAnswer, "Each step with its reason, the oldest first.")},
        problems=(UnknownRollout, StorageUnreachable),
    ),
    Endpoint(
        "GET",
        "/v1/rollouts/{rollout_id}/evidence",
        evidence,
        "Show the evidence of a rollout, look by look",
        "rollouts",
        "read",
        answers={200: (RolloutEvidenceAnswer, "Counts, and each look that saw more.")},
        problems=(UnknownRollout, StorageUnreachable),
    ),
    Endpoint(
        "POST",
        "/v1/rollouts/{rollout_id}/advance",
        advance,
        "Look at a rollout now",
        "rollouts",
        "operate",
        answers={200: (RolloutLook, "What was seen, and whether it changed something.")},
        problems=(UnknownRollout, BundleError, StorageUnreachable),
        description="Takes in what matured, decides, and does it: one step at most. The service "
        "does the same every `rollout.look_seconds`.",
    ),
    _move_endpoint("pause", pause, "Pause a rollout"),
    _move_endpoint("resume", resume, "Resume a rollout"),
    _move_endpoint("promote", promote, "Promote the challenger now"),
    _move_endpoint("abort", abort, "Abort a rollout"),
)
