"""The service from ordinary Python code."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import EllipsisType, TracebackType
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from churnkit.client.call import Call, is_passing
from churnkit.client.calls import events, explanations, health, models, outcomes, predictions
from churnkit.client.messages.events import EventsAnswer
from churnkit.client.messages.explanations import ExplanationsAnswer, RecordedExplanation
from churnkit.client.messages.health import Readiness
from churnkit.client.messages.models import (
    Aliases,
    JournalRow,
    ModelDetail,
    ModelLoad,
    ModelsAnswer,
    Verified,
)
from churnkit.client.messages.outcomes import (
    OnError,
    OutcomeItem,
    RecordedAnswer,
    RecordedOutcome,
    RecordedTreatment,
    TreatmentItem,
)
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

    def explain(
        self,
        customers: Mapping[str, Mapping[str, Any] | None],
        *,
        changes: Mapping[str, Mapping[str, Any]] | None = None,
        k: int = 5,
        model_version: str | None = None,
        as_of: datetime | None = None,
    ) -> ExplanationsAnswer:
        """Why customers have their probabilities; see ``calls.explanations.explain``."""
        return self.send(
            explanations.explain(
                customers, changes=changes, k=k, model_version=model_version, as_of=as_of
            )
        )

    def explanation(self, prediction_id: str) -> RecordedExplanation:
        """The reasons that were recorded with a prediction."""
        return self.send(explanations.explanation(prediction_id))

    def models(self) -> ModelsAnswer:
        """All model versions, and who serves."""
        return self.send(models.models())

    def model(self, version: str = "champion") -> ModelDetail:
        """A model version by name or alias, with its card and columns."""
        return self.send(models.model(version))

    def aliases(self, at: datetime | None = None) -> Aliases:
        """Who holds which alias, now or at a moment of the past."""
        return self.send(models.aliases(at))

    def set_alias(
        self,
        version: str,
        *,
        why: str,
        alias: Literal["champion", "challenger"] = "champion",
        expected_previous: str | EllipsisType | None = ...,
        idempotency_key: str | None = None,
    ) -> JournalRow:
        """Let a version serve, or challenge; see ``calls.models.set_alias``."""
        return self.send(
            models.set_alias(
                version,
                why=why,
                alias=alias,
                expected_previous=expected_previous,
                idempotency_key=idempotency_key,
            )
        )

    def rollback(
        self, *, why: str, expected_previous: str | None = None, idempotency_key: str | None = None
    ) -> JournalRow:
        """Let the champion before this one serve again; see ``calls.models.rollback``."""
        return self.send(
            models.rollback(
                why=why, expected_previous=expected_previous, idempotency_key=idempotency_key
            )
        )

    def journal(self, *, page_size: int = 100) -> Iterator[JournalRow]:
        """Every change of who serves, the newest first; pages are fetched as they are needed."""
        before: int | None = None
        while True:
            page = self.send(models.journal(before=before, limit=page_size))
            yield from page.journal
            before = page.next_before
            if before is None:
                return

    def verify_models(self, *, files: bool = False) -> Verified:
        """Whether the journal, and with ``files`` every model's files, are what was written."""
        return self.send(models.verify(files=files))

    def load_model(self, version: str) -> ModelLoad:
        """Let every replica make a model ready; ``model_load`` says when it is."""
        return self.send(models.load_model(version))

    def model_load(self, version: str) -> ModelLoad:
        """Where a model is ready."""
        return self.send(models.model_load(version))

    def record_outcomes(
        self,
        items: Iterable[OutcomeItem | Mapping[str, object]],
        *,
        on_error: OnError = "fail",
        idempotency_key: str | None = None,
    ) -> RecordedAnswer:
        """Record what became true; see ``calls.outcomes.record_outcomes``."""
        return self.send(
            outcomes.record_outcomes(items, on_error=on_error, idempotency_key=idempotency_key)
        )

    def record_treatments(
        self,
        items: Iterable[TreatmentItem | Mapping[str, object]],
        *,
        on_error: OnError = "fail",
        idempotency_key: str | None = None,
    ) -> RecordedAnswer:
        """Record who got which offer; see ``calls.outcomes.record_treatments``."""
        return self.send(
            outcomes.record_treatments(items, on_error=on_error, idempotency_key=idempotency_key)
        )

    def outcomes(
        self, *, customer_id: str | None = None, page_size: int = 100
    ) -> Iterator[RecordedOutcome]:
        """Recorded outcomes, the last recorded first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self.send(
                outcomes.outcomes(customer_id=customer_id, cursor=cursor, limit=page_size)
            )
            yield from page.outcomes
            cursor = page.next_cursor
            if cursor is None:
                return

    def treatments(
        self,
        *,
        customer_id: str | None = None,
        campaign: str | None = None,
        page_size: int = 100,
    ) -> Iterator[RecordedTreatment]:
        """Recorded treatments, the latest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = self.send(
                outcomes.treatments(
                    customer_id=customer_id, campaign=campaign, cursor=cursor, limit=page_size
                )
            )
            yield from page.treatments
            cursor = page.next_cursor
            if cursor is None:
                return

    def ready(self) -> Readiness:
        """Wait until the service takes requests."""
        return self.send(health.ready())
