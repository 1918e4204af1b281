"""What a command says of itself is what its author wrote: nothing is taken for a style."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from rich.text import Text

from churnkit.cli.main import app


def _texts(command: Any, path: str) -> Iterator[tuple[str, str]]:
    yield path, command.help or ""
    for parameter in command.params:
        yield f"{path} {parameter.name}", getattr(parameter, "help", None) or ""
    for name, one in getattr(command, "commands", {}).items():
        yield from _texts(one, f"{path} {name}")


def test_no_help_text_loses_what_stands_in_brackets() -> None:
    texts = dict(_texts(typer.main.get_command(app), "churnkit"))
    assert len(texts) > 200
    for path, text in texts.items():
        written = text.replace("\\[", "[")
        assert Text.from_markup(text).plain == written, path
