"""The service from asyncio; the same methods as the blocking client's."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel

from churnkit.client.call import RETRIED, Call, is_passing, refuse
from churnkit.client.calls import (
    customers,
    events,
    experiments,
    explanations,
    figures,
    health,
    models,
    outcomes,
    predictions,
    rollouts,
)
from churnkit.client.calls.experiments import Plan
from churnkit.client.calls.rollouts import Move
from churnkit.client.feeding import Interrupted, feed_events
from churnkit.client.files import (
    PIECE_BYTES,
    Download,
    Upload,
    appearing,
    beside,
    file_headers,
)
from churnkit.client.jobs_asynchronous import (
    AsyncBatches,
    AsyncDatasets,
    AsyncFeatures,
    AsyncReports,
    AsyncTrainings,
)
from churnkit.client.messages.customers import (
    CustomerCounts,
    CustomerDetail,
    CustomerScore,
    CustomerSort,
)
from churnkit.client.messages.events import EventsAnswer
from churnkit.client.messages.experiments import (
    Experiment,
    ExperimentAssigned,
    ExperimentHistoryAnswer,
    ExperimentsAnswer,
    ExperimentSizes,
)
from churnkit.client.messages.explanations import ExplanationsAnswer, RecordedExplanation
from churnkit.client.messages.feed import FeedEvent
from churnkit.client.messages.figures import MetricsSummary, QualityAnswer, ScoresAnswer
from churnkit.client.messages.health import Readiness
from churnkit.client.messages.message import Answer
from churnkit.client.messages.models import (
    Aliases,
    JournalRow,
    ModelDetail,
    ModelLoad,
    ModelRun,
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
from churnkit.client.messages.rollouts import (
    Arm,
    Rollout,
    RolloutEvidenceAnswer,
    RolloutHistoryAnswer,
    RolloutLook,
    RolloutPreview,
    RolloutsAnswer,
)
from churnkit.client.messages.stream import StreamAnswer
from churnkit.client.retrying import Patience
from churnkit.client.streaming import Requests, stream_answers
from churnkit.errors import MissingDependency, ServiceUnreachable

if TYPE_CHECKING:
    import aiohttp

M = TypeVar("M", bound=BaseModel)
_HEARTBEAT_SECONDS = 30.0


class AsyncClient:
    """Asks the service; belongs to one event loop.

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
            import aiohttp
        except ImportError as error:
            raise MissingDependency(
                "the client needs aiohttp.", fix="Install 'churnkit[client]'."
            ) from error
        self._urls = itertools.cycle([one.rstrip("/") for one in (url, *others)])
        self._url = next(self._urls)
        self._key = key
        self._patience = patience_seconds
        timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=5.0)
        self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=True)
        # A file may take as long as it needs, as long as something comes.
        self._file_timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=5.0, sock_read=timeout_seconds
        )
        self.batches = AsyncBatches(self)
        self.datasets = AsyncDatasets(self)
        self.features = AsyncFeatures(self)
        self.trainings = AsyncTrainings(self)
        self.reports = AsyncReports(self)
        self._trouble = (aiohttp.ClientError, OSError, TimeoutError)
        # A quiet feed has a comment every so often: without one the connection is dead.
        self._open_timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=5.0, sock_read=3 * _HEARTBEAT_SECONDS
        )
        self._refused_handshake = aiohttp.WSServerHandshakeError

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._session.close()

    async def send(self, call: Call[M]) -> M:
        """Send a request until it is answered.

        Raises
        ------
        ServiceRefused : the service will not do it
        ServiceUnreachable : it could not for longer than the client's patience
        """
        patience = Patience(self._patience, time.monotonic())
        headers = call.headers(self._key)
        timeout = self._file_timeout if isinstance(call, Upload) else self._session.timeout
        while True:
            url = self._url
            retry_after: str | None = None
            try:
                async with self._session.request(
                    call.method,
                    url + call.target(),
                    # A file is read from its beginning each time.
                    data=beside(call.pieces()) if isinstance(call, Upload) else call.content(),
                    headers=headers,
                    timeout=timeout,
                    allow_redirects=False,
                ) as answer:
                    told = await answer.read()
                if not is_passing(answer.status, told):
                    return call.read(answer.status, told)
                said = f"it answered with status {answer.status}"
                retry_after = answer.headers.get("Retry-After")
            except self._trouble as error:
                said = str(error) or type(error).__name__
            pause = patience.pause(time.monotonic(), retry_after)
            if pause is None:
                raise ServiceUnreachable(
                    f"the service cannot answer: {said}.",
                    fix="Is it running, and is its database?",
                    url=url,
                )
            self._url = next(self._urls)
            await asyncio.sleep(pause)

    async def download(self, asked: Download, path: Path | str) -> Path:
        """Fetch a file; it appears whole or not at all.

        Raises
        ------
        ServiceRefused : the service has no such file
        ServiceUnreachable : it did not send it for longer than the client's patience
        DiskFull, FolderReadOnly : it cannot be written here
        """
        patience, target = Patience(self._patience, time.monotonic()), Path(path)
        while True:
            url = self._url
            retry_after: str | None = None
            try:
                async with self._session.get(
                    url + asked.target(),
                    headers=file_headers(self._key),
                    allow_redirects=False,
                    timeout=self._file_timeout,
                ) as answer:
                    if answer.status == 200:
                        with appearing(target) as file:
                            async for piece in answer.content.iter_chunked(PIECE_BYTES):
                                await asyncio.to_thread(file.write, piece)
                        return target
                    told = await answer.read()
                if not is_passing(answer.status, told):
                    refuse(answer.status, told)
                said = f"it answered with status {answer.status}"
                retry_after = answer.headers.get("Retry-After")
            except self._trouble as error:
                said = str(error) or type(error).__name__
            pause = patience.pause(time.monotonic(), retry_after)
            if pause is None:
                raise ServiceUnreachable(
                    f"the service cannot answer: {said}.",
                    fix="Is it running, and is its database?",
                    url=url,
                )
            self._url = next(self._urls)
            await asyncio.sleep(pause)

    async def predict(
        self,
        customers: Mapping[str, Mapping[str, Any] | None],
        *,
        as_of: datetime | None = None,
        reasons: int = 0,
        on_error: Literal["fail", "skip"] = "fail",
        idempotency_key: str | None = None,
    ) -> PredictionsAnswer:
        """Score customers; see ``calls.predictions.predict``."""
        return await self.send(
            predictions.predict(
                customers,
                as_of=as_of,
                reasons=reasons,
                on_error=on_error,
                idempotency_key=idempotency_key,
            )
        )

    async def prediction(self, prediction_id: str) -> RecordedPrediction:
        """One recorded prediction."""
        return await self.send(predictions.prediction(prediction_id))

    async def predictions(
        self,
        *,
        customer_id: str | None = None,
        model_version: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[RecordedPrediction]:
        """Recorded predictions, the newest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = await self.send(
                predictions.predictions(
                    customer_id=customer_id,
                    model_version=model_version,
                    since=since,
                    until=until,
                    cursor=cursor,
                    limit=page_size,
                )
            )
            for row in page.predictions:
                yield row
            cursor = page.next_cursor
            if cursor is None:
                return

    async def send_events(
        self,
        items: Sequence[Mapping[str, Any]],
        *,
        on_error: Literal["fail", "skip"] = "fail",
        idempotency_key: str | None = None,
    ) -> EventsAnswer:
        """Take events into the online features; see ``calls.events.send_events``."""
        return await self.send(
            events.send_events(items, on_error=on_error, idempotency_key=idempotency_key)
        )

    def stream(self, requests: Requests, *, window: int = 32) -> AsyncGenerator[StreamAnswer]:
        """Score messages over a WebSocket; their answers come in the same order.

        ``calls.stream.stream_request`` makes a message. What could not be scored has a
        ``problem`` in its answer. After a lost connection the client connects again, to the next
        address if there are several, and sends what was not answered under its keys.

        Parameters
        ----------
        window : so many messages may wait for their answer; until then no further one is taken
        """
        return stream_answers(self, requests, window=window, patience_seconds=self._patience)

    def feed(
        self, kinds: Collection[str] | None = None, *, last_event_id: str | None = None
    ) -> AsyncGenerator[FeedEvent]:
        """What happens, as it happens, without an end of its own.

        After a lost connection the client connects again, to the next address if there are
        several, and goes on behind the last event; a ``gap`` says that something was missed.

        Parameters
        ----------
        kinds : such as ``{"predictions", "journal", "job"}``; None: all
        last_event_id : an event's ``id``, to go on behind it
        """
        return feed_events(
            self, kinds, last_event_id=last_event_id, patience_seconds=self._patience
        )

    async def open_lines(self, target: str, headers: dict[str, str]) -> AsyncGenerator[bytes]:
        """See ``feeding.Lines``."""
        url = self._url
        call = Call("GET", target, Answer)
        try:
            async with self._session.get(
                url + target,
                headers={**call.headers(self._key), **headers, "Accept": "text/event-stream"},
                timeout=self._open_timeout,
                allow_redirects=False,
            ) as answer:
                if answer.status != 200:
                    told = await answer.read()
                    if not is_passing(answer.status, told):
                        call.read(answer.status, told)
                    raise Interrupted(f"it answered with status {answer.status}")
                async for line in answer.content:
                    yield line
        except self._trouble as error:
            raise Interrupted(str(error) or type(error).__name__) from error
        finally:
            self._url = next(self._urls)

    async def open_socket(self, path: str) -> aiohttp.ClientWebSocketResponse | str:
        """See ``streaming.Sockets``."""
        url = self._url
        try:
            return await self._session.ws_connect(
                url + path,
                headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
                heartbeat=_HEARTBEAT_SECONDS,
                max_msg_size=0,
            )
        except self._refused_handshake as error:
            said = f"it answered with status {error.status}"
            if error.status not in RETRIED:
                # The same question without WebSocket is answered with the problem in full.
                await self.send(Call("GET", path, Answer))
        except self._trouble as error:
            said = str(error) or type(error).__name__
        self._url = next(self._urls)
        return said

    async def explain(
        self,
        customers: Mapping[str, Mapping[str, Any] | None],
        *,
        changes: Mapping[str, Mapping[str, Any]] | None = None,
        k: int = 5,
        model_version: str | None = None,
        as_of: datetime | None = None,
    ) -> ExplanationsAnswer:
        """Why customers have their probabilities; see ``calls.explanations.explain``."""
        return await self.send(
            explanations.explain(
                customers, changes=changes, k=k, model_version=model_version, as_of=as_of
            )
        )

    async def explanation(self, prediction_id: str) -> RecordedExplanation:
        """The reasons that were recorded with a prediction."""
        return await self.send(explanations.explanation(prediction_id))

    async def customers(
        self,
        *,
        sort: CustomerSort = "probability",
        order: Literal["asc", "desc"] | None = None,
        risk_band: Literal["low", "medium", "high"] | None = None,
        model_version: str | None = None,
        min_probability: float | None = None,
        max_probability: float | None = None,
        prefix: str | None = None,
        search: str | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[CustomerScore]:
        """Latest scores in order, see ``calls.customers``; pages are fetched as needed."""
        cursor: str | None = None
        while True:
            page = await self.send(
                customers.customers(
                    sort=sort,
                    order=order,
                    risk_band=risk_band,
                    model_version=model_version,
                    min_probability=min_probability,
                    max_probability=max_probability,
                    prefix=prefix,
                    search=search,
                    cursor=cursor,
                    limit=page_size,
                )
            )
            for row in page.customers:
                yield row
            cursor = page.next_cursor
            if cursor is None:
                return

    async def customer_counts(
        self,
        *,
        risk_band: Literal["low", "medium", "high"] | None = None,
        model_version: str | None = None,
        min_probability: float | None = None,
        max_probability: float | None = None,
        prefix: str | None = None,
        search: str | None = None,
    ) -> CustomerCounts:
        """How many customers there are, by risk band and model version."""
        page = await self.send(
            customers.customers(
                risk_band=risk_band,
                model_version=model_version,
                min_probability=min_probability,
                max_probability=max_probability,
                prefix=prefix,
                search=search,
                counts=True,
                limit=1,
            )
        )
        return page.counts or CustomerCounts(total=0, by_band={}, by_version={})

    async def customer(
        self, customer_id: str, *, cursor: str | None = None, page_size: int = 100
    ) -> CustomerDetail:
        """What is known of one customer: a page of predictions, outcomes, treatments."""
        return await self.send(customers.customer(customer_id, cursor=cursor, limit=page_size))

    async def metrics_summary(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        bucket_seconds: int | None = None,
        model_version: str | None = None,
        variant: str | None = None,
        route: str | None = None,
    ) -> MetricsSummary:
        """Volume, latency, errors, scores and drift; see ``calls.figures.metrics_summary``."""
        return await self.send(
            figures.metrics_summary(
                since=since,
                until=until,
                bucket_seconds=bucket_seconds,
                model_version=model_version,
                variant=variant,
                route=route,
            )
        )

    async def score_distribution(self) -> ScoresAnswer:
        """The latest scores of all customers, in bins."""
        return await self.send(figures.score_distribution())

    async def quality(self) -> QualityAnswer:
        """How good the models were, by version and month."""
        return await self.send(figures.quality())

    async def models(self) -> ModelsAnswer:
        """All model versions, and who serves."""
        return await self.send(models.models())

    async def model(self, version: str = "champion") -> ModelDetail:
        """A model version by name or alias, with its card and columns."""
        return await self.send(models.model(version))

    async def model_run(self, version: str = "champion") -> ModelRun:
        """The run that made a model version, where the service trained it."""
        return await self.send(models.model_run(version))

    async def aliases(self, at: datetime | None = None) -> Aliases:
        """Who holds which alias, now or at a moment of the past."""
        return await self.send(models.aliases(at))

    async def set_alias(
        self,
        version: str,
        *,
        why: str,
        alias: Literal["champion", "challenger"] = "champion",
        expected_previous: str | EllipsisType | None = ...,
        idempotency_key: str | None = None,
    ) -> JournalRow:
        """Let a version serve, or challenge; see ``calls.models.set_alias``."""
        return await self.send(
            models.set_alias(
                version,
                why=why,
                alias=alias,
                expected_previous=expected_previous,
                idempotency_key=idempotency_key,
            )
        )

    async def rollback(
        self, *, why: str, expected_previous: str | None = None, idempotency_key: str | None = None
    ) -> JournalRow:
        """Let the champion before this one serve again; see ``calls.models.rollback``."""
        return await self.send(
            models.rollback(
                why=why, expected_previous=expected_previous, idempotency_key=idempotency_key
            )
        )

    async def journal(self, *, page_size: int = 100) -> AsyncIterator[JournalRow]:
        """Every change of who serves, the newest first; pages are fetched as they are needed."""
        before: int | None = None
        while True:
            page = await self.send(models.journal(before=before, limit=page_size))
            for row in page.journal:
                yield row
            before = page.next_before
            if before is None:
                return

    async def verify_models(self, *, files: bool = False) -> Verified:
        """Whether the journal, and with ``files`` every model's files, are what was written."""
        return await self.send(models.verify(files=files))

    async def load_model(self, version: str) -> ModelLoad:
        """Let every replica make a model ready; ``model_load`` says when it is."""
        return await self.send(models.load_model(version))

    async def model_load(self, version: str) -> ModelLoad:
        """Where a model is ready."""
        return await self.send(models.model_load(version))

    async def record_outcomes(
        self,
        items: Iterable[OutcomeItem | Mapping[str, object]],
        *,
        on_error: OnError = "fail",
        idempotency_key: str | None = None,
    ) -> RecordedAnswer:
        """Record what became true; see ``calls.outcomes.record_outcomes``."""
        return await self.send(
            outcomes.record_outcomes(items, on_error=on_error, idempotency_key=idempotency_key)
        )

    async def record_treatments(
        self,
        items: Iterable[TreatmentItem | Mapping[str, object]],
        *,
        on_error: OnError = "fail",
        idempotency_key: str | None = None,
    ) -> RecordedAnswer:
        """Record who got which offer; see ``calls.outcomes.record_treatments``."""
        return await self.send(
            outcomes.record_treatments(items, on_error=on_error, idempotency_key=idempotency_key)
        )

    async def outcomes(
        self, *, customer_id: str | None = None, page_size: int = 100
    ) -> AsyncIterator[RecordedOutcome]:
        """Recorded outcomes, the last recorded first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = await self.send(
                outcomes.outcomes(customer_id=customer_id, cursor=cursor, limit=page_size)
            )
            for row in page.outcomes:
                yield row
            cursor = page.next_cursor
            if cursor is None:
                return

    async def treatments(
        self,
        *,
        customer_id: str | None = None,
        campaign: str | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[RecordedTreatment]:
        """Recorded treatments, the latest first; pages are fetched as they are needed."""
        cursor: str | None = None
        while True:
            page = await self.send(
                outcomes.treatments(
                    customer_id=customer_id, campaign=campaign, cursor=cursor, limit=page_size
                )
            )
            for row in page.treatments:
                yield row
            cursor = page.next_cursor
            if cursor is None:
                return

    async def start_rollout(
        self,
        challenger: str | None = None,
        *,
        plan: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Arm] | None = None,
        customers: int | None = None,
        predictions_per_day: float | None = None,
        attempt: int | None = None,
        why: str = "",
        idempotency_key: str | None = None,
    ) -> Rollout:
        """Let a challenger prove itself; see ``calls.rollouts.start_rollout``."""
        return await self.send(
            rollouts.start_rollout(
                challenger,
                plan=plan,
                overrides=overrides,
                customers=customers,
                predictions_per_day=predictions_per_day,
                attempt=attempt,
                why=why,
                idempotency_key=idempotency_key,
            )
        )

    async def preview_rollout(
        self,
        challenger: str | None = None,
        *,
        plan: Mapping[str, Any] | None = None,
        customers: int | None = None,
        predictions_per_day: float | None = None,
    ) -> RolloutPreview:
        """What a rollout would be, see ``calls.rollouts.preview_rollout``; nothing is started."""
        return await self.send(
            rollouts.preview_rollout(
                challenger,
                plan=plan,
                customers=customers,
                predictions_per_day=predictions_per_day,
            )
        )

    async def rollouts(self) -> RolloutsAnswer:
        """All rollouts, the oldest first."""
        return await self.send(rollouts.rollouts())

    async def rollout(self, rollout_id: str) -> Rollout:
        """A rollout with its evidence and the latest decision."""
        return await self.send(rollouts.rollout(rollout_id))

    async def rollout_history(self, rollout_id: str) -> RolloutHistoryAnswer:
        """What was done with a rollout, by whom and why."""
        return await self.send(rollouts.rollout_history(rollout_id))

    async def rollout_evidence(self, rollout_id: str) -> RolloutEvidenceAnswer:
        """What is known of a rollout, with the bounds look by look."""
        return await self.send(rollouts.rollout_evidence(rollout_id))

    async def advance_rollout(self, rollout_id: str) -> RolloutLook:
        """Let the service look at a rollout now."""
        return await self.send(rollouts.advance_rollout(rollout_id))

    async def move_rollout(
        self,
        rollout_id: str,
        move: Move,
        *,
        why: str,
        expected_revision: int | None = None,
    ) -> Rollout:
        """Pause, resume, promote or abort a rollout, with a reason."""
        return await self.send(
            rollouts.move_rollout(rollout_id, move, why=why, expected_revision=expected_revision)
        )

    async def start_experiment(
        self,
        plan: Plan,
        *,
        why: str = "",
        idempotency_key: str | None = None,
    ) -> Experiment:
        """Fix a plan; see ``calls.experiments.start_experiment``."""
        return await self.send(
            experiments.start_experiment(plan, why=why, idempotency_key=idempotency_key)
        )

    async def experiments(self) -> ExperimentsAnswer:
        """All experiments, the oldest first."""
        return await self.send(experiments.experiments())

    async def experiment(self, experiment_id: str) -> Experiment:
        """An experiment with what may be read off it now."""
        return await self.send(experiments.experiment(experiment_id))

    async def experiment_history(self, experiment_id: str) -> ExperimentHistoryAnswer:
        """What was done with an experiment, by whom and why."""
        return await self.send(experiments.experiment_history(experiment_id))

    async def assign_experiment(
        self, experiment_id: str, customers: Sequence[str]
    ) -> ExperimentAssigned:
        """Draw customers into the arms of an experiment of treatments."""
        return await self.send(experiments.assign_experiment(experiment_id, customers))

    async def stop_experiment(self, experiment_id: str, why: str) -> Experiment:
        """Let nobody enter an experiment any more, with a reason."""
        return await self.send(experiments.stop_experiment(experiment_id, why))

    async def plan_experiment(
        self,
        plan: Plan | None = None,
        *,
        effect: float | None = None,
        retention: float | None = None,
        power: float = 0.8,
        correlation: float | None = None,
        customers_per_day: float | None = None,
        simulations: int = 1_000,
    ) -> ExperimentSizes:
        """How many customers an experiment takes; see ``calls.experiments.plan_experiment``."""
        return await self.send(
            experiments.plan_experiment(
                plan,
                effect=effect,
                retention=retention,
                power=power,
                correlation=correlation,
                customers_per_day=customers_per_day,
                simulations=simulations,
            )
        )

    async def ready(self) -> Readiness:
        """Wait until the service takes requests."""
        return await self.send(health.ready())
