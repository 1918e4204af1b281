"""One of several processes that accept from one socket; started by ``churnkit serve``."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path

from churnkit.usecases.operating.online import open_for_service
from churnkit_service.leaving import leave
from churnkit_service.logs import set_up_logs
from churnkit_service.process import DEVELOPMENT, LISTENER, wait_for_database
from churnkit_service.server import serve


def main() -> None:
    """Serve on the socket that was handed over."""
    set_up_logs()
    listener = socket.socket(fileno=int(os.environ[LISTENER]))
    listener.setblocking(False)
    project = open_for_service(Path(sys.argv[1]), os.environ.get("DATABASE_URL", ""))
    with project:
        wait_for_database(project, logging.getLogger("churnkit.service").warning)
        serve(
            project,
            project.settings.service,
            listener,
            development=bool(os.environ.get(DEVELOPMENT)),
        )


if __name__ == "__main__":
    main()
    leave(0)
