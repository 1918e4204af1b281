"""What there is to translate: ``python -m churnkit_desktop.texts [LANGUAGE]`` writes it as JSON.

With a language, what its catalogue has stands at its text; the rest is empty.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from churnkit_desktop.language import catalogue


def texts() -> tuple[str, ...]:
    """All texts that go through the door, each once, in the order of the modules."""
    found: dict[str, None] = {}
    for module in modules(files("churnkit_desktop")):
        for call in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                found.update(dict.fromkeys(_of(call.func.id, call.args)))
    return tuple(found)


def modules(folder: Traversable) -> Iterator[Traversable]:
    """All modules of the console."""
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from modules(entry)
        elif entry.name.endswith(".py"):
            yield entry


def _of(door: str, arguments: list[ast.expr]) -> tuple[str, ...]:
    """The texts of one call: ``tr(text)``, or ``plural(n, word)`` in both its forms."""
    if door == "tr" and arguments:
        return tuple(
            node.value
            for node in ast.walk(arguments[0])
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
    if door == "plural" and len(arguments) > 1 and isinstance(arguments[1], ast.Constant):
        word = str(arguments[1].value)
        return (f"{{n}} {word}", f"{{n}} {word}s")
    return ()


if __name__ == "__main__":
    known = catalogue(sys.argv[1]) if len(sys.argv) > 1 else {}
    listed = {text: known.get(text, "") for text in texts()}
    sys.stdout.write(json.dumps(listed, ensure_ascii=False, indent=1) + "\n")
