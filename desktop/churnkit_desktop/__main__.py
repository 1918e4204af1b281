"""``python -m churnkit_desktop [PROJECT]``; with ``--child`` the process of a long action."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

_BEGAN = time.time()


def main() -> int:
    """Run the console, the child that it starts, or the test of the installation."""
    if sys.argv[1:2] == ["--child"]:
        from churnkit_desktop.work.child import main as child

        return child()
    asked = _parser().parse_args()
    if asked.version:
        from importlib.metadata import version

        sys.stdout.write(f"churnkit {version('churnkit')}\n")
        return 0
    if asked.licences:
        from churnkit_desktop.licences import page, parts

        Path(asked.licences).write_text(page(parts()), encoding="utf-8")
        return 0
    if asked.self_test or asked.only_window:
        from churnkit_desktop.self_test import self_test

        return self_test(asked.began or _BEGAN, only_window=asked.only_window)
    from churnkit_desktop.language import use
    from churnkit_desktop.session.memory import Memory

    use(str(Memory().general().get("language", "en")))  # before the screens are imported
    from churnkit_desktop.app import run

    return run(project_folder(asked.project))


def project_folder(place: str) -> str:
    """The folder of a project that is named by its ``churnkit.toml``, as a file manager does."""
    path = Path(place)
    return str(path.resolve().parent) if place and path.name == "churnkit.toml" else place


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="churnkit-desktop", description="The console: who will leave, and whom to keep."
    )
    parser.add_argument(
        "project", nargs="?", default="", help="a project's folder, or its churnkit.toml"
    )
    parser.add_argument(
        "--self-test", action="store_true", help="do the whole job in a temporary folder"
    )
    parser.add_argument(
        "--only-window", action="store_true", help="open the window, say how long it took, end"
    )
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    parser.add_argument(
        "--licences", metavar="FILE", help="write the licences of all parts as a page"
    )
    parser.add_argument("--version", action="store_true", help="say which version this is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
