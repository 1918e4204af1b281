"""The contract as one HTML page without scripts, which works without the internet."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader

from churnkit_service.problems import all_kinds, status_of_kind, title_of, type_of

_METHODS = ("get", "post", "put", "patch", "delete")


@lru_cache(maxsize=2)
def _rendered(text: str) -> bytes:
    document = json.loads(text)
    environment = Environment(loader=PackageLoader("churnkit_service"), autoescape=True)
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    ]
    problems = [
        {"type": type_of(kind), "status": status_of_kind(kind), "title": title_of(kind)}
        for kind in sorted(all_kinds(), key=type_of)
    ]
    page = environment.get_template("docs.html").render(
        info=document["info"],
        tags=document["tags"],
        operations=operations,
        schemas=document["components"]["schemas"],
        problems=problems,
        words=_words,
        name=_name,
        example=_example,
    )
    return page.encode()


def docs_page(document: dict[str, Any]) -> bytes:
    """The page for an OpenAPI document."""
    return _rendered(json.dumps(document))


def _name(schema: dict[str, Any]) -> str:
    """The name of the component that a schema refers to, or nothing."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _words(schema: dict[str, Any]) -> str:
    """A schema's type in a few words."""
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_words(part) for part in schema["anyOf"]))
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " or ".join(json.dumps(value) for value in schema["enum"])
    kind = schema.get("type", "any")
    kind = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if kind == "array":
        inner = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        kind = f"list of {_words(inner)}"
    limits = [
        f"{word} {schema[key]}"
        for key, word in (
            ("minimum", "from"), ("maximum", "to"), ("minLength", "at least"),
            ("maxLength", "at most"), ("minItems", "at least"), ("maxItems", "at most"),
        )
        if key in schema
    ]  # fmt: skip
    shape = schema.get("format", "")
    return ", ".join(part for part in (f"{kind} ({shape})" if shape else kind, *limits) if part)


def _example(schema: dict[str, Any]) -> str:
    """A component's first example as JSON, or nothing."""
    examples = schema.get("examples")
    return json.dumps(examples[0], indent=2) if examples else ""
