"""The service's contract (OpenAPI 3.1), made from the same types that validate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from apispec import APISpec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from churnkit.client.messages.problems import Problem
from churnkit.errors import ChurnkitError
from churnkit_service.endpoint import Endpoint
from churnkit_service.problems import (
    BodyMalformed,
    BodyTooLarge,
    ExpectationUnknown,
    Forbidden,
    InternalError,
    MediaTypeUnsupported,
    Overloaded,
    RequestMalformed,
    RequestTimeout,
    TooManyRequests,
    Unauthorized,
    status_of_kind,
    title_of,
    type_of,
)

_REF = "#/components/schemas/{model}"
_EVERYWHERE = (RequestMalformed, ExpectationUnknown, InternalError, Overloaded)
_GUARDED = (Unauthorized, Forbidden, TooManyRequests)
_WITH_BODY = (BodyMalformed, MediaTypeUnsupported, BodyTooLarge, RequestTimeout)
_TAGS = {
    "predictions": "Score customers, and look up what was predicted.",
    "feed": "What happens, as it happens.",
    "events": "What customers did.",
    "batches": "Score files of customers: upload, wait, fetch the result.",
    "datasets": "Files to learn from: upload them, see what they hold.",
    "features": "Features of an uploaded log: suggested, built, explained.",
    "trainings": "Learn models from data sets.",
    "reports": "Reports of models that were trained here.",
    "explanations": "Why a customer has a probability, and what if.",
    "customers": "The latest score of every customer, and what is known of one.",
    "models": "Which models there are, who serves, and who decided it.",
    "metrics": "Volume, latency, errors, scores and drift.",
    "outcomes": "What became true of the customers, and who got which offer.",
    "rollouts": "Whether a new model may take over.",
    "experiments": "A/B: whether an offer, or another model, does better.",
    "health": "For those who look after the service.",
    "documentation": "This contract.",
}


def openapi(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """The document, as plain data."""
    spec = APISpec(
        title="churnkit",
        version=version,
        openapi_version="3.1.0",
        info={
            "description": "Which customers will leave, and why. Errors are problem documents "
            "(RFC 9457); their `type` never changes.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
    )
    for name, schema in _schemas(endpoints).items():
        spec.components.schema(name, schema)
    spec.components.security_scheme(
        "key",
        {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, made by `churnkit keys create`.",
        },
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    for path, operations in paths.items():
        spec.path(path=path, operations=operations)
    return spec.to_dict()


def _schemas(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    bodies = {e.body for e in endpoints if e.body is not None}
    answers = {model for e in endpoints for model, _ in e.answers.values() if model is not None}
    wanted: list[tuple[type[BaseModel], Any]] = [
        *((model, "validation") for model in sorted(bodies, key=lambda m: m.__name__)),
        *((model, "validation") for e in endpoints for model in e.messages),
        *((model, "serialization") for model in sorted(answers, key=lambda m: m.__name__)),
        (Problem, "serialization"),
    ]
    definitions: dict[str, Any] = models_json_schema(wanted, ref_template=_REF)[1]["$defs"]
    return definitions


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": [*_path_parameters(endpoint), *_query(endpoint), *_headers(endpoint)],
        "responses": _responses(endpoint),
    }
    description = endpoint.description
    if endpoint.scope is not None:
        operation["security"] = [{"key": []}]
        description = f"{description} Needs the scope `{endpoint.scope}`.".strip()
    else:
        operation["security"] = []
    if description:
        operation["description"] = description
    if endpoint.messages:
        # OpenAPI has no words for what goes over an open connection.
        operation["x-messages"] = [_reference(model) for model in endpoint.messages]
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(endpoint.body)}},
        }
    if endpoint.body_types:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": _file(kind)} for kind in endpoint.body_types},
        }
    return operation


def _file(kind: str) -> dict[str, Any]:
    """A file in a body of this type."""
    content: dict[str, Any] = {"type": "string", "format": "binary", "minLength": 1}
    if kind == "multipart/form-data":
        return {"type": "object", "properties": {"file": content}, "required": ["file"]}
    return content


def _operation_id(endpoint: Endpoint) -> str:
    return endpoint.handler.__module__.rpartition(".")[2] + "_" + endpoint.handler.__name__


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _path_parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        }
        for name in names
    ]


def _query(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint.query is None:
        return []
    schema = endpoint.query.model_json_schema(by_alias=True)
    required = schema.get("required", ())
    parameters = []
    for name, about in schema["properties"].items():
        described = dict(about)
        text = described.pop("description", "")
        described.pop("title", None)
        if described.get("default", ...) is None:
            described.pop("default")
            # A parameter that is left out is null; it cannot be written as null.
            kinds = [k for k in described.get("anyOf", ()) if k.get("type") != "null"]
            if len(kinds) == 1:
                described = {**{k: v for k, v in described.items() if k != "anyOf"}, **kinds[0]}
        parameter = {"name": name, "in": "query", "required": name in required, "schema": described}
        parameters.append({**parameter, "description": text} if text else parameter)
    return parameters


def _headers(endpoint: Endpoint) -> list[dict[str, Any]]:
    if not endpoint.idempotent_key:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "A request that is sent again with the same key does its work once "
            "and is answered the same. While the first one is in flight, the second is told so "
            "(409 `request-in-flight`, with `Retry-After`), or waits for the first one's answer: "
            "send it again then, as after a 503. Another body under the same key is refused "
            "(422 `idempotency-key-reused`). Keys belong to the API key, and are forgotten after "
            "`service.idempotency_hours`.",
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "pattern": "^[\\x21-\\x7e]+$",
            },
        }
    ]


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, (model, text) in endpoint.answers.items():
        schema: Any = {"type": "string"} if model is None else _reference(model)
        kinds_of_body = endpoint.answer_types or (endpoint.content_type,)
        responses[str(status)] = {
            "description": text,
            "content": {}
            if status in (101, 204)
            else {kind: {"schema": schema} for kind in kinds_of_body},
        }
    kinds: list[type[ChurnkitError]] = [*endpoint.problems, *_EVERYWHERE]
    if endpoint.scope is not None:
        kinds += _GUARDED
    if endpoint.body is not None or endpoint.body_types:
        kinds += _WITH_BODY
    by_status: dict[int, list[type[ChurnkitError]]] = {}
    for kind in kinds:
        by_status.setdefault(status_of_kind(kind), []).append(kind)
    for status, found in sorted(by_status.items()):
        text = "; ".join(f"`{type_of(kind)}`: {title_of(kind)}" for kind in dict.fromkeys(found))
        entry = responses.setdefault(str(status), {"description": f"{text}.", "content": {}})
        if entry["content"]:
            entry["description"] += f" Or a problem: {text}."
        entry["content"]["application/problem+json"] = {"schema": _reference(Problem)}
    return responses
