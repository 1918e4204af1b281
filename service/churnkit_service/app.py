"""The application: every endpoint, guarded, on one service."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from aiohttp import web

from churnkit_service.cors import allow_origins
from churnkit_service.endpoint import Endpoint
from churnkit_service.guard import guarded
from churnkit_service.lasting import lasting
from churnkit_service.openapi import openapi
from churnkit_service.routes import (
    batches,
    customers,
    datasets,
    documentation,
    events,
    experiments,
    explanations,
    features,
    feed,
    figures,
    health,
    models,
    outcomes,
    predictions,
    reports,
    rollouts,
    stream,
    trainings,
)
from churnkit_service.service import SERVICE, Service
from churnkit_service.unmatched import PATH, unmatched

ENDPOINTS: tuple[Endpoint, ...] = (
    *predictions.ENDPOINTS,
    *events.ENDPOINTS,
    *stream.ENDPOINTS,
    *feed.ENDPOINTS,
    *batches.ENDPOINTS,
    *datasets.ENDPOINTS,
    *features.ENDPOINTS,
    *trainings.ENDPOINTS,
    *reports.ENDPOINTS,
    *explanations.ENDPOINTS,
    *customers.ENDPOINTS,
    *models.ENDPOINTS,
    *figures.ENDPOINTS,
    *outcomes.ENDPOINTS,
    *rollouts.ENDPOINTS,
    *experiments.ENDPOINTS,
    *health.ENDPOINTS,
    *documentation.ENDPOINTS,
)


def make_app(service: Service, endpoints: Sequence[Endpoint] = ENDPOINTS) -> web.Application:
    """The application; the service is started and closed by whoever runs it."""
    app = web.Application(client_max_size=service.settings.max_body_bytes)
    app[SERVICE] = service
    if service.settings.cors_origins:
        app.on_response_prepare.append(allow_origins(service.settings.cors_origins))
    service.contract = openapi(endpoints, version("churnkit"))
    for endpoint in endpoints:
        handler = (lasting if endpoint.lasting else guarded)(endpoint, service)
        app.router.add_route(endpoint.method, endpoint.path, handler)
        if endpoint.method == "GET" and not endpoint.lasting:
            # Whoever wants to know whether there is something asks for the head of the answer.
            app.router.add_route("HEAD", endpoint.path, handler)
    app.router.add_route("*", PATH, unmatched)
    app.on_shutdown.append(_end_connections)
    return app


async def _end_connections(app: web.Application) -> None:
    """What stays open would be waited for."""
    app[SERVICE].begin_drain()
