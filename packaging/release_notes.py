"""Print what CHANGELOG.md says of a version: `python packaging/release_notes.py v1.2.3`."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(changelog: str, version: str) -> str:
    """The section of a version, without its heading; empty where there is none."""
    head = rf"^## \[{re.escape(version)}\][^\n]*\n"
    found = re.search(head + r"(.*?)(?=^## \[|\Z)", changelog, flags=re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def main(tag: str) -> int:
    """Print the notes, or say why this tag cannot be released."""
    version = tag.removeprefix("v")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if project["version"] != version:
        print(f"The tag is {tag}, pyproject.toml says {project['version']}.", file=sys.stderr)
        return 2
    told = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    if not told:
        print(f"CHANGELOG.md has nothing under '## [{version}]'.", file=sys.stderr)
        return 2
    print(told)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
