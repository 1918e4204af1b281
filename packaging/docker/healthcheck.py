"""Whether the process in this container answers: the image's health check.

usage: healthcheck.py [ADDRESS]; the usual one is the service's /healthz on this machine.
"""

import sys
import urllib.request

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/healthz"
try:
    with urllib.request.urlopen(ADDRESS, timeout=4) as answer:
        sys.exit(0 if answer.status == 200 else 1)
except OSError as error:
    sys.exit(f"{ADDRESS}: {error}")
