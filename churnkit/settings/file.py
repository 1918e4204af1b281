"""churnkit.toml as a file: read with the CHURNKIT_* environment, written with comments."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import ValidationError

from churnkit.errors import ProjectNotFound, SettingsInvalid
from churnkit.files import write_whole
from churnkit.settings.whole import Settings

FILE_NAME = "churnkit.toml"
_QUIET = ("outcomes", "treatments", "alerts", "retention")
"""Tables that are written only where they say other than usual."""


def read_settings(folder: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read ``folder/churnkit.toml``, overridden by ``CHURNKIT_<TABLE>_<KEY>`` variables.

    Raises
    ------
    ProjectNotFound : there is no such file
    SettingsInvalid : it is not TOML, or a key or value is not allowed
    """
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProjectNotFound(
            "this is not a churnkit project: it has no churnkit.toml.",
            fix="Create one with 'churnkit init DIR --data FILE', or name a project with -C DIR.",
            folder=folder,
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsInvalid("the file is not UTF-8 text.", file=path) from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"the file is not TOML: {error}.", file=path) from error
    return _validated(_with_environment(content, environ), path)


def write_settings(folder: Path, settings: Settings) -> None:
    """Write ``folder/churnkit.toml`` in one step, with each key's meaning as a comment."""
    path = folder / FILE_NAME
    write_whole(path, settings_text(settings).encode())


def settings_text(settings: Settings) -> str:
    """The settings as a TOML document with comments."""
    document = tomlkit.document()
    document.add(tomlkit.comment("What churnkit knows about this project. Edit it freely."))
    for name in type(settings).model_fields:
        part = getattr(settings, name)
        if part is None or (name == "online" and settings.events is None):
            continue
        quiet = name in _QUIET or (name == "churn" and settings.events is None)
        if quiet and part == type(part)():
            continue
        table = tomlkit.table()
        for key, field in type(part).model_fields.items():
            value = getattr(part, key)
            if value is None:
                table.add(tomlkit.comment(f"{key} = 180  # {field.description}"))
                continue
            item: Any
            if isinstance(value, dict):
                item = tomlkit.inline_table()
                item.update(value)
            else:
                item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
            if field.description:
                item.comment(field.description)
            table.add(key, item)
        document.add(tomlkit.nl())
        document.add(name, table)
    return tomlkit.dumps(document)


def _validated(content: dict[str, Any], path: Path) -> Settings:
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SettingsInvalid(
            f"{first['msg'].removeprefix('Value error, ')}.",
            fix="Mend this key; docs/architecture.md lists all of them.",
            file=path,
            field=field,
        ) from error


def _with_environment(content: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    merged = {k: dict(v) if isinstance(v, dict) else v for k, v in content.items()}
    for name in Settings.model_fields:
        prefix = f"CHURNKIT_{name.upper()}_"
        for variable, value in environ.items():
            if variable.startswith(prefix):
                table = merged.setdefault(name, {})
                if isinstance(table, dict):
                    table[variable.removeprefix(prefix).lower()] = value
    return merged
