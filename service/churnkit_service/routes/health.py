"""``/healthz``, ``/readyz`` and ``/metrics``: for those who look after the service."""

from __future__ import annotations

import asyncio

from aiohttp import web

from churnkit.client.messages.health import Health, Readiness
from churnkit.errors import ChurnkitError
from churnkit.usecases.operating import online as usecases
from churnkit_service.endpoint import Call, Endpoint, json_response
from churnkit_service.metrics import CONTENT_TYPE
from churnkit_service.service import Service

_PATIENCE_SECONDS = 2.0


async def healthz(call: Call) -> web.Response:
    """The process answers."""
    return json_response({"status": "ok"})


async def readyz(call: Call) -> web.Response:
    """Whether requests should be sent here."""
    service = call.service
    checks = {
        "database": service.writer.available and await _database_answers(service),
        "model": service.champion.version is not None,
        "draining": service.draining,
    }
    ready = checks["database"] and checks["model"] and not service.draining
    answer = {
        "status": "ready" if ready else "not ready",
        "checks": checks,
        "model_version": service.champion.version,
    }
    return json_response(answer, status=200 if ready else 503)


async def _database_answers(service: Service) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await service.queries.run(usecases.ping, service.project)
    except (ChurnkitError, TimeoutError):
        return False
    return True


async def metrics(call: Call) -> web.Response:
    """The figures, for Prometheus."""
    call.service.measure()
    return web.Response(
        body=call.service.metrics.exposition(), headers={"Content-Type": CONTENT_TYPE}
    )


ENDPOINTS = (
    Endpoint(
        "GET", "/healthz", healthz, "Is the process alive", "health", None,
        answers={200: (Health, "It is.")},
    ),
    Endpoint(
        "GET", "/readyz", readyz, "Should requests be sent here", "health", None,
        answers={200: (Readiness, "Yes."), 503: (Readiness, "No; `checks` says why.")},
    ),
    Endpoint(
        "GET", "/metrics", metrics, "Figures for Prometheus", "health", None,
        answers={200: (None, "Text in Prometheus' format.")}, content_type="text/plain",
    ),
)  # fmt: skip
