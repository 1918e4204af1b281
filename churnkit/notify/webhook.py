"""Send a message to a web address."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from churnkit.errors import AlertNotSent
from churnkit.notify.messages import Message

SIGNATURE = "X-Churnkit-Signature"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the alerts to an address that nobody wrote down."""

    def redirect_request(self, *_: object) -> None:
        return None


def post_message(
    message: Message, url: str, *, secret: str = "", timeout_seconds: float = 10.0
) -> None:
    """POST the message as JSON.

    Parameters
    ----------
    secret : signs the body: ``X-Churnkit-Signature: sha256=`` and its HMAC-SHA256 (hex)

    Raises
    ------
    AlertNotSent : the address cannot be reached, or does not answer with 2xx; the message does
        not show the address's path, which may hold a secret
    """
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.hostname or ''}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise AlertNotSent(
            "alerts.webhook_url is no web address.", fix="Write it as https://host/path."
        )
    body = json.dumps(message.to_json(), ensure_ascii=False, allow_nan=False).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "churnkit"}
    if secret:
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers[SIGNATURE] = f"sha256={digest}"
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=timeout_seconds) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        error.close()
        raise AlertNotSent(
            f"the webhook answered with status {error.code}.",
            fix="Check alerts.webhook_url, and what it accepts.",
            host=shown,
        ) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise AlertNotSent(
            f"the webhook cannot be reached: {type(reason).__name__}.",
            fix="Check alerts.webhook_url and the network.",
            host=shown,
        ) from error
