"""``python -m churnkit_desktop [PROJECT]``; with ``--child`` the process of a long action."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the console, or the child that it starts."""
    if sys.argv[1:2] == ["--child"]:
        from churnkit_desktop.work.child import main as child

        return child()
    from churnkit_desktop.app import run

    return run(sys.argv[1] if len(sys.argv) > 1 else "")


if __name__ == "__main__":
    sys.exit(main())
