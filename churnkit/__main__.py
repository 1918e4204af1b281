"""``python -m churnkit`` is ``churnkit``."""

from churnkit.cli.main import run

if __name__ == "__main__":
    run()
