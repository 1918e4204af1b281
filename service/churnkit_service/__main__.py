"""``python -m churnkit_service`` is ``churnkit serve``."""

import sys

from churnkit.cli.main import run

if __name__ == "__main__":
    sys.argv[1:1] = ["serve"]
    run()
