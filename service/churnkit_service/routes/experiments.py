"""``/v1/experiments`` and ``/v1/experiment-plans``: whether an offer, or a model, does better."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from churnkit.client.messages.experiments import (
    Experiment,
    ExperimentAssign,
    ExperimentAssigned,
    ExperimentHistoryAnswer,
    ExperimentsAnswer,
    ExperimentSizes,
    ExperimentSizesAsked,
    ExperimentStart,
    ExperimentStop,
)
from churnkit.errors import (
    BundleError,
    ExperimentOver,
    ExperimentRunning,
    NoChampion,
    PlanInvalid,
    RolloutRunning,
    StepNotAllowed,
    StorageUnreachable,
    UnknownExperiment,
    UnknownModelVersion,
)
from churnkit.usecases.experiments import assigning as experiment_assigning
from churnkit.usecases.experiments import verbs as experiments
from churnkit.usecases.experiments.views import ExperimentView
from churnkit_service.endpoint import Call, Endpoint, read_body, told
from churnkit_service.problems import IdempotencyKeyReused, RequestInFlight, RequestInvalid
from churnkit_service.starting import start_once


async def create(call: Call) -> web.Response:
    """Start an experiment."""
    return await start_once(
        call,
        partial(_start, call),
        kind="experiment",
        answer=Experiment,
        address=lambda view: f"/v1/experiments/{view.experiment_id}",
    )


async def _start(call: Call, salt: str | None) -> ExperimentView:
    asked = read_body(call, ExperimentStart)
    return await call.ask(
        experiments.start_experiment,
        asked.plan,
        why=asked.why,
        who=call.caller.name,
        salt=salt,
    )


async def index(call: Call) -> web.Response:
    """All experiments."""
    found = await call.ask(experiments.experiments)
    return told(ExperimentsAnswer, found.to_json())


async def show(call: Call) -> web.Response:
    """One experiment, with what may be read off it."""
    view = await call.ask(experiments.experiment_status, _named(call))
    return told(Experiment, view.to_json())


async def history(call: Call) -> web.Response:
    """What was done with it."""
    found = await call.ask(experiments.experiment_history, _named(call))
    return told(ExperimentHistoryAnswer, found.to_json())


async def assign(call: Call) -> web.Response:
    """Draw customers into the arms."""
    asked = read_body(call, ExperimentAssign)
    done = await call.ask(
        experiment_assigning.assign_experiment,
        _named(call),
        asked.customers,
        who=call.caller.name,
    )
    return told(ExperimentAssigned, done.to_json())


async def stop(call: Call) -> web.Response:
    """Let nobody enter any more."""
    asked = read_body(call, ExperimentStop)
    view = await call.ask(
        experiments.stop_experiment, _named(call), asked.why, who=call.caller.name
    )
    call.service.rollouts.look_now()
    return told(Experiment, view.to_json())


async def plan(call: Call) -> web.Response:
    """How many customers it takes."""
    asked = read_body(call, ExperimentSizesAsked)
    found = await call.ask(
        experiments.plan_experiment,
        asked.plan,
        effect=asked.effect,
        retention=asked.retention,
        power=asked.power,
        correlation=asked.correlation,
        customers_per_day=asked.customers_per_day,
        simulations=asked.simulations,
    )
    return told(ExperimentSizes, found.to_json())


def _named(call: Call) -> str:
    return call.request.match_info["experiment_id"]


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/experiments",
        create,
        "Start an experiment",
        "experiments",
        "operate",
        body=ExperimentStart,
        answers={201: (Experiment, "The experiment, without customers.")},
        problems=(
            RequestInvalid,
            PlanInvalid,
            NoChampion,
            UnknownModelVersion,
            RolloutRunning,
            ExperimentRunning,
            BundleError,
            RequestInFlight,
            IdempotencyKeyReused,
            StorageUnreachable,
        ),
        idempotent_key=True,
        description="The plan and the salt are fixed from now on. In an experiment of models a "
        "customer enters with his first request; in one of treatments by `assign`. A rollout and "
        "an experiment do not run together.",
    ),
    Endpoint(
        "GET",
        "/v1/experiments",
        index,
        "List experiments",
        "experiments",
        "read",
        answers={200: (ExperimentsAnswer, "All of them, the oldest first.")},
        problems=(StorageUnreachable,),
    ),
    Endpoint(
        "POST",
        "/v1/experiment-plans",
        plan,
        "Plan the size of an experiment",
        "experiments",
        "read",
        body=ExperimentSizesAsked,
        answers={200: (ExperimentSizes, "Customers and days, by each method.")},
        problems=(RequestInvalid, PlanInvalid, StorageUnreachable),
        description="Nothing is started. The fixed size is for one look at the end; the "
        "sequential one is simulated with the bounds that a running experiment shows.",
    ),
    Endpoint(
        "GET",
        "/v1/experiments/{experiment_id}",
        show,
        "Show an experiment with its readings",
        "experiments",
        "read",
        answers={200: (Experiment, "Customers, differences with bounds, time to churn.")},
        problems=(UnknownExperiment, StorageUnreachable),
        description="Look as often as you like: the bounds hold at all looks together. After a "
        "sample-ratio mismatch nothing is read off (`withheld` says why).",
    ),
    Endpoint(
        "GET",
        "/v1/experiments/{experiment_id}/history",
        history,
        "Show what was done with an experiment",
        "experiments",
        "read",
        answers={200: (ExperimentHistoryAnswer, "Each step with its reason, the oldest first.")},
        problems=(UnknownExperiment, StorageUnreachable),
    ),
    Endpoint(
        "POST",
        "/v1/experiments/{experiment_id}/assign",
        assign,
        "Draw customers into an experiment",
        "experiments",
        "operate",
        body=ExperimentAssign,
        answers={200: (ExperimentAssigned, "Who is in which arm.")},
        problems=(
            RequestInvalid,
            UnknownExperiment,
            ExperimentOver,
            StepNotAllowed,
            StorageUnreachable,
        ),
        description="Of an experiment of treatments. Who is in it already keeps his arm, so that "
        "it may be sent again. The draws are recorded as treatments with their probabilities.",
    ),
    Endpoint(
        "POST",
        "/v1/experiments/{experiment_id}/stop",
        stop,
        "Stop an experiment",
        "experiments",
        "operate",
        body=ExperimentStop,
        answers={200: (Experiment, "How it stands now.")},
        problems=(UnknownExperiment, StepNotAllowed, RequestInvalid, StorageUnreachable),
        description="Nobody enters any more; who is in it is followed until his outcome has "
        "matured. Stopped again, it is left as it is.",
    ),
)
