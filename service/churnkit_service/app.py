"""The application: every endpoint, guarded, on one service."""

from __future__ import annotations

from importlib.metadata import version

from aiohttp import web

from churnkit_service.cors import allow_origins
from churnkit_service.endpoint import Endpoint
from churnkit_service.guard import guarded
from churnkit_service.openapi import openapi
from churnkit_service.routes import (
    batches,
    customers,
    documentation,
    explanations,
    figures,
    health,
    models,
    outcomes,
    predictions,
    rollouts,
)
from churnkit_service.service import SERVICE, Service
from churnkit_service.unmatched import PATH, unmatched

ENDPOINTS: tuple[Endpoint, ...] = (
    *predictions.ENDPOINTS,
    *batches.ENDPOINTS,
    *explanations.ENDPOINTS,
    *customers.ENDPOINTS,
    *models.ENDPOINTS,
    *figures.ENDPOINTS,
    *outcomes.ENDPOINTS,
    *rollouts.ENDPOINTS,
    *health.ENDPOINTS,
    *documentation.ENDPOINTS,
)


def make_app(service: Service) -> web.Application:
    """The application; the service is started and closed by whoever runs it."""
    app = web.Application(client_max_size=service.settings.max_body_bytes)
    app[SERVICE] = service
    if service.settings.cors_origins:
        app.on_response_prepare.append(allow_origins(service.settings.cors_origins))
    service.contract = openapi(ENDPOINTS, version("churnkit"))
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, endpoint.path, guarded(endpoint, service))
    app.router.add_route("*", PATH, unmatched)
    return app
