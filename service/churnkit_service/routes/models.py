"""``/v1/models``: which there are, who serves, who decided it; have one ready, let it serve."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
from aiohttp import web

from churnkit.client.messages.models import (
    AliasChange,
    Aliases,
    AliasesQuery,
    JournalPage,
    JournalQuery,
    JournalRow,
    ModelDetail,
    ModelLoad,
    ModelRun,
    ModelsAnswer,
    Rollback,
    Verified,
    VerifyQuery,
)
from churnkit.domain.models import JournalEntry, ModelVersion
from churnkit.domain.recording import IdempotentAnswer
from churnkit.domain.replicas import Replica
from churnkit.errors import (
    AliasMoved,
    BundleError,
    JobHasNoResult,
    NoChampion,
    NothingToRollBack,
    StorageUnreachable,
    UnknownModelVersion,
)
from churnkit.usecases.models import serving_models as usecases
from churnkit.usecases.models.serving import find_version
from churnkit.usecases.training.trained_runs import run_of
from churnkit_service.endpoint import (
    Call,
    Endpoint,
    json_bytes,
    json_response,
    read_body,
    read_query,
)
from churnkit_service.idempotency import AnsweredMeanwhile, KeyedRequest, answer_once
from churnkit_service.problems import (
    IdempotencyKeyReused,
    NotFound,
    RequestInFlight,
    RequestInvalid,
)

_ACTIONS: Mapping[str, Literal["promote", "challenge"]] = {
    "champion": "promote",
    "challenger": "challenge",
}


async def list_(call: Call) -> web.Response:
    """All model versions."""
    found = await call.ask(usecases.list_models)
    return json_response(
        {
            "models": [_model(version, found.holders) for version in found.versions],
            "champion": found.holders["champion"],
            "challenger": found.holders["challenger"],
        }
    )


async def show(call: Call) -> web.Response:
    """One model version, with its card and columns."""
    detail = await call.ask(usecases.model_detail, _version(call))
    manifest = detail.manifest
    told = _model(detail.version, dict.fromkeys(detail.aliases, detail.version.version))
    columns = [column.model_dump(mode="json") for column in detail.inputs]
    card = {
        "purpose": "The probability that a customer leaves, to decide whom to contact.",
        "trained_on": f"{detail.n_training_rows:,} customers; the figures are of customers that "
        "the model never saw.",
        "limits": [
            "It says who will probably leave, not whom an offer will keep.",
            "It holds for customers like those of its training: watch their drift.",
            "Groups of customers can be scored less well than the figures of all say.",
        ],
        "n_training_rows": detail.n_training_rows,
        "base_rate": manifest.base_rate,
        "medium_risk": manifest.medium_risk,
        "high_risk": manifest.high_risk,
        "libraries": manifest.versions,
    }
    return json_response(
        {**told, "feature_hash": manifest.feature_hash, "columns": columns, "card": card}
    )


async def show_run(call: Call) -> web.Response:
    """The run that made a version."""
    known, record = await call.ask(run_of, _version(call))
    return json_response({"version": known.version, "record": record.model_dump(mode="json")})


async def aliases(call: Call) -> web.Response:
    """Who holds which alias."""
    asked = read_query(call, AliasesQuery)
    held = await call.ask(usecases.holders_at, asked.at)
    at = None if asked.at is None else asked.at.isoformat()
    return json_response({"champion": held["champion"], "challenger": held["challenger"], "at": at})


async def set_alias(call: Call) -> web.Response:
    """Let a version hold an alias."""
    alias = call.request.match_info["alias"]
    if alias not in _ACTIONS:
        raise NotFound("there is no such alias.", fix="Choose 'champion' or 'challenger'.")
    asked = read_body(call, AliasChange)
    change = usecases.Change(
        action=_ACTIONS[alias],
        version=asked.version,
        who=call.caller.name,
        why=asked.why,
        unless_held=True,
        **_expected(asked),
    )
    return await _change(call, change)


async def rollback(call: Call) -> web.Response:
    """Let the champion before this one serve again."""
    asked = read_body(call, Rollback)
    change = usecases.Change(
        action="rollback", version=None, who=call.caller.name, why=asked.why, **_expected(asked)
    )
    return await _change(call, change)


def _expected(asked: AliasChange | Rollback) -> dict[str, Any]:
    given = "expected_previous" in asked.model_fields_set
    return {"expected_previous": asked.expected_previous} if given else {}


async def _change(call: Call, change: usecases.Change) -> web.Response:
    """Make a change once, and let this replica follow it at once."""

    def answer(entry: JournalEntry) -> bytes:
        return orjson.dumps(entry.model_dump(mode="json"))

    async def make(request: KeyedRequest | None) -> web.Response:
        now = datetime.now(UTC)

        def keep(entry: JournalEntry) -> IdempotentAnswer:
            assert request is not None
            return request.keep(200, answer(entry), now)

        try:
            entry = await call.ask(
                usecases.change_alias, change, now=now, keep=None if request is None else keep
            )
        except usecases.AnsweredAlready:
            raise AnsweredMeanwhile from None
        call.service.champion.look_now()
        return json_bytes(answer(entry))

    return await answer_once(call, make)


async def history(call: Call) -> web.Response:
    """The journal, page by page."""
    asked = read_query(call, JournalQuery)
    rows = await call.ask(usecases.journal_page, before=asked.before, limit=asked.limit + 1)
    page = rows[: asked.limit]
    return json_response(
        {
            "journal": [row.model_dump(mode="json") for row in page],
            "next_before": page[-1].sequence if len(rows) > asked.limit else None,
        }
    )


async def verify(call: Call) -> web.Response:
    """Check the journal's chain, and with ``files`` every model's files."""
    asked = read_query(call, VerifyQuery)
    checks = await call.ask(usecases.verify_journal, files=asked.files)
    return json_response(
        {
            "ok": all(check.state != "failed" for check in checks),
            "checks": [check.model_dump(mode="json") for check in checks],
        }
    )


async def load(call: Call) -> web.Response:
    """Let every replica make a model ready; this one begins at once."""
    known = await call.ask(
        usecases.ask_for_load,
        _version(call),
        now=datetime.now(UTC),
        by=call.caller.name,
    )
    await call.service.presence.round()
    return json_response(await _load(call, known.version), status=202)


async def show_load(call: Call) -> web.Response:
    """Where a model is ready."""
    known = await call.ask(find_version, _version(call))
    return json_response(await _load(call, known.version))


async def _load(call: Call, version: str) -> dict[str, Any]:
    wanted = await call.ask(usecases.wanted_loads)
    now = datetime.now(UTC)
    found = await call.ask(usecases.live_replicas, now)
    told = [_in_replica(replica, version) for replica in found]
    return {
        "version": version,
        "wanted": version in wanted,
        "ready": bool(told) and all(one["state"] in ("ready", "serving") for one in told),
        "replicas": told,
    }


def _in_replica(replica: Replica, version: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "replica": replica.replica,
        "state": "waiting",
        "bundle_hash": "",
        "seconds": None,
        "problem": "",
        "seen_at": replica.seen_at.isoformat(),
    }
    for loaded in replica.loaded:
        if loaded.model_version == version:
            told.update(loaded.model_dump(exclude={"model_version"}))
    if replica.serving == version:
        told["state"] = "serving"
    return told


def _version(call: Call) -> str:
    name = call.request.match_info["version"]
    if len(name) > 64 or "\0" in name:
        raise NotFound(
            "there is no such model version.", fix="GET /v1/models lists those that there are."
        )
    return name


def _model(version: ModelVersion, holders: Mapping[str, str | None]) -> dict[str, Any]:
    held = [alias for alias, name in holders.items() if name == version.version]
    return {**version.model_dump(mode="json"), "aliases": held}


_FINDING = (NotFound, UnknownModelVersion, NoChampion, StorageUnreachable)
_CHANGING = (
    RequestInvalid,
    UnknownModelVersion,
    AliasMoved,
    BundleError,
    RequestInFlight,
    IdempotencyKeyReused,
    StorageUnreachable,
)
ENDPOINTS = (
    Endpoint(
        "GET", "/v1/models", list_, "List model versions", "models", "read",
        answers={200: (ModelsAnswer, "All of them, the oldest first.")},
        problems=(StorageUnreachable,),
    ),
    Endpoint(
        "GET", "/v1/models/aliases", aliases, "Show who serves", "models", "read",
        query=AliasesQuery,
        answers={200: (Aliases, "Who holds which alias.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
    Endpoint(
        "PUT", "/v1/models/aliases/{alias}", set_alias, "Let a version hold an alias", "models",
        "operate", body=AliasChange,
        answers={200: (JournalRow, "The journal's row that says so.")},
        problems=(NotFound, *_CHANGING),
        idempotent_key=True,
        description="`champion` serves, `challenger` wants to. The version's files are checked "
        "first; every replica follows within `service.reload_seconds`, and the old model "
        "answers until the new one is warm. Where the version holds the alias already, nothing "
        "changes.",
    ),
    Endpoint(
        "POST", "/v1/models/aliases/champion/rollback", rollback, "Go back to the champion before",
        "models", "operate", body=Rollback,
        answers={200: (JournalRow, "The journal's row that says so.")},
        problems=(NothingToRollBack, *_CHANGING),
        idempotent_key=True,
        description="Going back twice goes back further.",
    ),
    Endpoint(
        "GET", "/v1/models/history", history, "Show who changed what, and why", "models", "read",
        query=JournalQuery,
        answers={200: (JournalPage, "A page of the journal, the newest first.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/models/verify", verify, "Check journal and models", "models", "read",
        query=VerifyQuery,
        answers={200: (Verified, "What was checked; `ok` says whether nothing failed.")},
        problems=(RequestInvalid, StorageUnreachable),
    ),
    Endpoint(
        "GET", "/v1/models/{version}", show, "Show a model version", "models", "read",
        answers={200: (ModelDetail, "Its figures with intervals, its card and columns.")},
        problems=(*_FINDING, BundleError),
        description="`version` may be an alias.",
    ),
    Endpoint(
        "GET", "/v1/models/{version}/run", show_run, "Show the run that made a version", "models",
        "read",
        answers={200: (ModelRun, "Its split, its search, and the whole evaluation.")},
        problems=(*_FINDING, JobHasNoResult),
        description="Of versions that were trained by this service, as long as their training is "
        "kept.",
    ),
    Endpoint(
        "POST", "/v1/models/{version}/load", load, "Have a model version ready", "models",
        "operate",
        answers={202: (ModelLoad, "Every replica loads it; ask again to see when it is ready.")},
        problems=_FINDING,
        description="Each replica fetches the files by their hash, checks and compiles them and "
        "scores once, beside the model that serves; promoted, it then serves at once. The latest "
        "three versions that were asked for are kept ready.",
    ),
    Endpoint(
        "GET", "/v1/models/{version}/load", show_load, "Show where a version is ready", "models",
        "read",
        answers={200: (ModelLoad, "Its state in every replica.")},
        problems=_FINDING,
    ),
)  # fmt: skip
