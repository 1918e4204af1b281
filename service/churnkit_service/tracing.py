"""Spans for OpenTelemetry, where ``service.tracing`` asks for them.

Only its API is used: which exporter they go to is decided by who starts the process, for example
with ``opentelemetry-instrument churnkit serve`` and the OTEL_* variables.
"""

from __future__ import annotations

from aiohttp import web

from churnkit.errors import MissingDependency
from churnkit_service.endpoint import Call, Endpoint, Handler


def traced(endpoint: Endpoint) -> Handler:
    """The endpoint's handler within a span that continues the caller's trace.

    Raises
    ------
    MissingDependency : OpenTelemetry's API is not installed
    """
    try:
        from opentelemetry import propagate, trace
    except ImportError as error:
        raise MissingDependency(
            "service.tracing needs OpenTelemetry.", fix="Install 'opentelemetry-api'."
        ) from error
    tracer = trace.get_tracer("churnkit.service")
    name = f"{endpoint.method} {endpoint.path}"

    async def handler(call: Call) -> web.StreamResponse:
        with tracer.start_as_current_span(
            name,
            context=propagate.extract(call.request.headers),
            kind=trace.SpanKind.SERVER,
            attributes={
                "http.request.method": endpoint.method,
                "http.route": endpoint.path,
                "churnkit.request_id": call.request_id,
            },
        ) as span:
            response = await endpoint.handler(call)
            span.set_attribute("http.response.status_code", response.status)
            return response

    return handler
