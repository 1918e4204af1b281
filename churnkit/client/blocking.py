"""The service from ordinary Python code."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from churnkit.client.call import Call, is_passing
from churnkit.client.calls import events, health, predictions
from churnkit.client.messages.events import EventsAnswer
from churnkit.client.messages.health import Readiness
from churnkit.client.messages.predictions import PredictionsAnswer, RecordedPrediction
from churnkit.client.retrying import Patience
from churnkit.errors import MissingDependency, ServiceUnreachable

M = TypeVar("M", bound=BaseModel)


class Client:
    """Asks the service; may be shared between threads.

    Parameters
    ----------
    url, others : addresses of the service; when one does not answer, the next is asked
    key : the API key
    patience_seconds : how long a request is sent again, when the service cannot answer now
    timeout_seconds : how long one attempt waits for its answer
    """

    def __init__(
        self,
        url: str,
        *others: str,
        key: str = "",
        patience_seconds: float = 30.0,
        timeout_seconds: float = 30.0,
    ) -> None:
        try:
            import urllib3
        except ImportError as error:
            raise MissingDependency(
                "the client needs urllib3.", fix="Install 'churnkit[client]'."
            ) from error
        self._urls = itertools.cycle([one.rstrip("/") for one in (url, *others)])
        self._url = next(self._urls)
        self._key = key
        self._patience = patience_seconds
        timeout = urllib3.Timeout(connect=min(5.0, timeout_seconds), read=timeout_seconds)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False, maxsize=16)
        self._trouble = (urllib3.exceptions.HTTPError, OSError)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.clear()

    def send(self, call: Call[M]) -> M:
        """Send a request until it is answered.

        Raises
        ------
        ServiceRefused : the service will not do it
        ServiceUnreachable : it could not for longer than the client's patience
        """
        patience = Patience(self._patience, time.monotonic())
        content, headers = call.content(), call.headers(self._key)
        while True:
            url = self._url
            retry_after: str | None = None
            try:
                answer = self._pool.request(
                    call.method, url + call.target(), body=content, headers=headers, redirect=False
                )
                if not is_passing(answer.status, answer.data):
                    return call.read(answer.status, answer.data)
                said = f"it answered with status {answer.status}"
                retry_after = answer.headers.get("Retry-After")
            except self._trouble as error:
                said = str(error)
            pause = patience.pause(time.monotonic(), retry_after)
            if pause is None:
                raise ServiceUnreachable(
                    f"the service cannot answer: {said}.",
                    fix="Is it running, and is its database?",
                    url=url,
                )
            self._url = next(self._urls)
            time.sleep(pause)

    def predict(
        self,
        customers: Mapping[str, Mapping[str, Any] | None],
        *,
        as_of: datetime | None = None,
        reasons: int = 0,
        on_error: Literal["fail", "skip"] = "fail",
        idempotency_key: str | None = None,
    ) -> PredictionsAnswer:
        """Score customers; see ``calls.predictions.predict``."""
        return self.send(
            predictions.predict(
                customers,
                as_of=as_of,
                reasons=reasons,
                on_error=on_error,
                idempotency_key=idempotency_key,
            )
        )

    def prediction(self, prediction_id: str) -> RecordedPrediction:
        """One recorded prediction."""
        return self.send(predictions.prediction(prediction_id))

    def predictions(
        self,
        *,
        customer_id: str | None = None,
        model_version: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = 100,
    ) -> Iterator[RecordedPrediction]:
        """Recorded predictions, the newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self.send(
                predictions.predictions(
                    customer_id=customer_id,
                    model_version=model_version,
                    since=since,
                    until=until,
                    cursor=cursor,
                    limit=page_size,
                )
            )
            yield from page.predictions
            cursor = page.next_cursor
            if cursor is None:
                return

    def send_events(
        self,
        items: Sequence[Mapping[str, Any]],
        *,
        on_error: Literal["fail", "skip"] = "fail",
        idempotency_key: str | None = None,
    ) -> EventsAnswer:
        """Take events into the online features; see ``calls.events.send_events``."""
        return self.send(
            events.send_events(items, on_error=on_error, idempotency_key=idempotency_key)
        )

    def ready(self) -> Readiness:
        """Wait until the service takes requests."""
        return self.send(health.ready())
