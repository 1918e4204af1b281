"""The service from ordinary Python code."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from churnkit.client.call import Call, is_passing, refuse
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
from churnkit.client.files import PIECE_BYTES, Download, Upload, appearing, file_headers
from churnkit.client.jobs import Batches, Datasets, Features, Reports, Trainings
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
from churnkit.client.messages.figures import MetricsSummary, QualityAnswer, ScoresAnswer
from churnkit.client.messages.health import Readiness
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
        self.batches = Batches(self)
        self.datasets = Datasets(self)
        self.features = Features(self)
        self.trainings = Trainings(self)
        self.reports = Reports(self)
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
        headers = call.headers(self._key)
        while True:
            url = self._url
            retry_after: str | None = None
            try:
                answer = self._pool.request(
                    call.method,
                    url + call.target(),
                    # A file is read from its beginning each time.
                    body=call.pieces() if isinstance(call, Upload) else call.content(),
                    headers=headers,
                    redirect=False,
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
            time.sleep(pause)  # this client blocks; what the service asked for, or ever longer

    def download(self, asked: Download, path: Path | str) -> Path:
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
                answer = self._pool.request(
                    "GET", url + asked.target(), headers=file_headers(self._key),
                    redirect=False, preload_content=False,
                )  # fmt: skip
                try:
                    if answer.status == 200:
                        with appearing(target) as file:
                            for piece in answer.stream(PIECE_BYTES):
                                file.write(piece)
                        return target
                    told = answer.read()
                finally:
                    answer.close()
                if not is_passing(answer.status, told):
                    refuse(answer.status, told)
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
            time.sleep(pause)  # this client blocks, before it asks another address

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

    def customers(
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
    ) -> Iterator[CustomerScore]:
        """Latest scores in order, see ``calls.customers``; pages are fetched as needed."""
        cursor: str | None = None
        while True:
            page = self.send(
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
            yield from page.customers
            cursor = page.next_cursor
            if cursor is None:
                return

    def customer_counts(
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
        page = self.send(
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

    def customer(
        self, customer_id: str, *, cursor: str | None = None, page_size: int = 100
    ) -> CustomerDetail:
        """What is known of one customer: a page of predictions, outcomes, treatments."""
        return self.send(customers.customer(customer_id, cursor=cursor, limit=page_size))

    def metrics_summary(
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
        return self.send(
            figures.metrics_summary(
                since=since,
                until=until,
                bucket_seconds=bucket_seconds,
                model_version=model_version,
                variant=variant,
                route=route,
            )
        )

    def score_distribution(self) -> ScoresAnswer:
        """The latest scores of all customers, in bins."""
        return self.send(figures.score_distribution())

    def quality(self) -> QualityAnswer:
        """How good the models were, by version and month."""
        return self.send(figures.quality())

    def models(self) -> ModelsAnswer:
        """All model versions, and who serves."""
        return self.send(models.models())

    def model(self, version: str = "champion") -> ModelDetail:
        """A model version by name or alias, with its card and columns."""
        return self.send(models.model(version))

    def model_run(self, version: str = "champion") -> ModelRun:
        """The run that made a model version, where the service trained it."""
        return self.send(models.model_run(version))

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

    def start_rollout(
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
        return self.send(
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

    def preview_rollout(
        self,
        challenger: str | None = None,
        *,
        plan: Mapping[str, Any] | None = None,
        customers: int | None = None,
        predictions_per_day: float | None = None,
    ) -> RolloutPreview:
        """What a rollout would be, see ``calls.rollouts.preview_rollout``; nothing is started."""
        return self.send(
            rollouts.preview_rollout(
                challenger,
                plan=plan,
                customers=customers,
                predictions_per_day=predictions_per_day,
            )
        )

    def rollouts(self) -> RolloutsAnswer:
        """All rollouts, the oldest first."""
        return self.send(rollouts.rollouts())

    def rollout(self, rollout_id: str) -> Rollout:
        """A rollout with its evidence and the latest decision."""
        return self.send(rollouts.rollout(rollout_id))

    def rollout_history(self, rollout_id: str) -> RolloutHistoryAnswer:
        """What was done with a rollout, by whom and why."""
        return self.send(rollouts.rollout_history(rollout_id))

    def rollout_evidence(self, rollout_id: str) -> RolloutEvidenceAnswer:
        """What is known of a rollout, with the bounds look by look."""
        return self.send(rollouts.rollout_evidence(rollout_id))

    def advance_rollout(self, rollout_id: str) -> RolloutLook:
        """Let the service look at a rollout now."""
        return self.send(rollouts.advance_rollout(rollout_id))

    def move_rollout(
        self,
        rollout_id: str,
        move: Move,
        *,
        why: str,
        expected_revision: int | None = None,
    ) -> Rollout:
        """Pause, resume, promote or abort a rollout, with a reason."""
        return self.send(
            rollouts.move_rollout(rollout_id, move, why=why, expected_revision=expected_revision)
        )

    def start_experiment(
        self,
        plan: Plan,
        *,
        why: str = "",
        idempotency_key: str | None = None,
    ) -> Experiment:
        """Fix a plan; see ``calls.experiments.start_experiment``."""
        return self.send(
            experiments.start_experiment(plan, why=why, idempotency_key=idempotency_key)
        )

    def experiments(self) -> ExperimentsAnswer:
        """All experiments, the oldest first."""
        return self.send(experiments.experiments())

    def experiment(self, experiment_id: str) -> Experiment:
        """An experiment with what may be read off it now."""
        return self.send(experiments.experiment(experiment_id))

    def experiment_history(self, experiment_id: str) -> ExperimentHistoryAnswer:
        """What was done with an experiment, by whom and why."""
        return self.send(experiments.experiment_history(experiment_id))

    def assign_experiment(self, experiment_id: str, customers: Sequence[str]) -> ExperimentAssigned:
        """Draw customers into the arms of an experiment of treatments."""
        return self.send(experiments.assign_experiment(experiment_id, customers))

    def stop_experiment(self, experiment_id: str, why: str) -> Experiment:
        """Let nobody enter an experiment any more, with a reason."""
        return self.send(experiments.stop_experiment(experiment_id, why))

    def plan_experiment(
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
        return self.send(
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

    def ready(self) -> Readiness:
        """Wait until the service takes requests."""
        return self.send(health.ready())
