"""churnkit.toml: what a person may decide about a project, and the CHURNKIT_* environment."""

from __future__ import annotations

import itertools
import os
import tomllib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tomlkit
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from churnkit.errors import ProjectNotFound, SettingsInvalid, storage_errors

FILE_NAME = "churnkit.toml"
_QUIET = ("outcomes", "treatments", "alerts", "retention")
"""Tables that are written only where they say other than usual."""
BUILT_COLUMNS = {"target": "churned", "positive": "true", "id": "customer_id", "time": "as_of"}
"""[columns] of the table that is built from events."""
FORMAT = 1
CANDIDATES = (
    "logistic_regression",
    "hist_gradient_boosting",
    "gradient_boosting",
    "random_forest",
)
"""In the order in which they are tried: the quickest first, for who has little time."""


def _known_zone(name: str) -> str:
    if name:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"'{name}' is no IANA time zone such as Europe/Berlin") from None
    return name


def _words(value: object) -> object:
    """One text is a list of one; the environment writes several with commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _one(value: object) -> object:
    """A path may hold a comma: one text is one source."""
    return (value,) if isinstance(value, str) else value


def _decimals(value: object) -> object:
    """The environment writes ``amount=2,pieces=0``."""
    if isinstance(value, str):
        pairs = (part.partition("=") for part in value.split(",") if part.strip())
        return {name.strip(): number.strip() for name, _, number in pairs}
    return value


Zone = Annotated[str, AfterValidator(_known_zone)]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Decimals = Annotated[dict[str, Annotated[int, Field(ge=0, le=6)]], BeforeValidator(_decimals)]
Days = Annotated[int, Field(ge=0, le=36_500)]
TimeFormat = Literal[
    "", "iso", "epoch_s", "epoch_ms", "epoch_us", "yyyymmdd", "excel",
    "yyyy/mm/dd", "dd.mm.yyyy", "dd/mm/yyyy", "mm/dd/yyyy",
]  # fmt: skip
_TIME_FORMAT = (
    "How times are written: iso, epoch_s, epoch_ms, epoch_us, yyyymmdd, excel, yyyy/mm/dd, "
    "dd.mm.yyyy, dd/mm/yyyy or mm/dd/yyyy; empty: iso."
)
_SOURCE_ZONE = "The zone of times that name none; empty: the project's."
_DELAY = "Days until a fact is known, where no column says when it was."


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProjectTable(_Table):
    """Who this project is."""

    name: str
    format: Literal[1] = 1
    zone: Zone = Field("UTC", description="The IANA zone in which days begin.")


class DataTable(_Table):
    """Where the customers come from."""

    source: str = Field(
        "",
        description="A file (CSV, Parquet, Excel) or a database URL, in which ${NAME} is an "
        "environment variable; empty: [events].",
    )
    query: str = Field("", description="The SQL query, when the source is a database URL.")
    sheet: str = Field("", description="The sheet, when the source is an Excel file.")


class ColumnsTable(_Table):
    """What each column is for. Columns that are not named are inputs of the model."""

    target: str = Field(description="The column that says whether the customer left.")
    positive: str = Field(description="The value of the target that means 'left'.")
    id: str = Field("", description="The column that names the customer; empty: the row's number.")
    time: str = Field("", description="The date a row looks from, if rows have one.")
    ignore: tuple[str, ...] = Field((), description="Columns the model must not see.")
    allow_leaking: tuple[str, ...] = Field(
        (), description="Columns to use although churnkit suspects that they know the answer."
    )
    segments: tuple[str, ...] = Field(
        (), description="Columns by which quality is shown; empty: churnkit chooses."
    )


class _Facts(_Table):
    source: Annotated[tuple[str, ...], BeforeValidator(_one)] = Field(
        min_length=1,
        description="Files, globs, folders of partitioned Parquet, or one database URL.",
    )
    query: str = Field("", description="The SQL query, when the source is a database URL.")
    customer_id: str = Field(description="The column that names the customer.")
    known_at: str = Field("", description="The column that says when a fact became known.")
    time_format: TimeFormat = Field("", description=_TIME_FORMAT)
    source_zone: Zone = Field("", description=_SOURCE_ZONE)
    arrival_delay_days: float = Field(0.0, ge=0, le=3_650, description=_DELAY)
    max_broken_share: float = Field(
        0.5, ge=0, le=1, description="More broken rows than this share end an import."
    )


class EventsTable(_Facts):
    """The log of events; a project that has it is built from events."""

    event_time: str = Field(description="The column that says when it happened.")
    event_type: str = Field("", description="The column that says what; empty: always 'event'.")
    values: Decimals = Field({}, description="Number columns and how many decimals are kept.")
    round_values: bool = Field(
        False,
        description="Round a value with more decimals half to even; false: set its row aside.",
    )
    decimal_mark: Literal[".", ","] = Field(".", description="Of numbers written as text.")
    categories: Words = Field((), description="Text columns that features may filter on.")
    key: Words = Field((), description="Columns that make an event the same; empty: all of them.")
    duplicates: Literal["drop", "keep"] = Field(
        "drop",
        description="Rows with the same key in one import are one event (drop) or several (keep).",
    )


class AttributesTable(_Facts):
    """Facts about customers that change slowly."""

    valid_from: str = Field(
        "", description="The column from when a fact holds; empty: it always held, and was known."
    )
    columns: Words = Field((), description="The facts; empty: all other columns.")


class SubscriptionsTable(_Facts):
    """Periods that a customer paid for; a renewal is a further period."""

    start: str = Field(description="The column with a period's start.")
    end: str = Field(description="The column with a period's end; blank: it is open.")
    ends: Literal["planned", "observed"] = Field(
        "planned",
        description="Without known_at: an end is known from the start, or only once it happened.",
    )


class ChurnTable(_Table):
    """What churn means, and of whom it is asked."""

    kind: Literal["contractual", "non_contractual"] = Field(
        "non_contractual",
        description="contractual: a subscription ends without renewal; else: no activity.",
    )
    activity: Words = Field((), description="Event types that are activity; empty: all.")
    lead_days: Days = Field(0, description="Days between as_of and the start of the window.")
    horizon_days: int = Field(90, ge=1, le=36_500, description="Length of the window in days.")
    grace_days: Days = Field(0, description="Days within which a renewal still counts.")
    eligible_days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        None, description="Only customers active within so many days; not set: ever."
    )
    as_of: Words = Field(
        (), description="Dates of the panel, the last ones for the test; empty: by stride_days."
    )
    test_dates: int = Field(
        3, ge=1, le=100, description="Most dates for the test: they show how quality decays."
    )
    stride_days: int = Field(30, ge=1, le=3_650, description="Days between the panel's dates.")
    max_dates: int = Field(12, ge=2, le=1_000, description="Most dates of the panel.")
    history_days: Days = Field(90, description="Days of log that the first date looks back on.")

    @model_validator(mode="after")
    def _dates(self) -> ChurnTable:
        for text in self.as_of:
            try:
                datetime.fromisoformat(text)
            except ValueError:
                raise ValueError(f"'{text}' in as_of is no date such as 2026-01-31") from None
        return self


class Money(_Table):
    """What a customer and a campaign are worth, in one currency.

    Sources: Neslin et al. (2006), Verbraken et al. (2013).
    """

    currency: str = "EUR"
    customer_value: float = Field(200.0, gt=0, description="Profit lost when a customer leaves.")
    contact_cost: float = Field(1.0, ge=0, description="Cost to contact one customer.")
    offer_cost: float = Field(10.0, ge=0, description="Cost of the offer when it is accepted.")
    success_rate: float = Field(
        0.3, gt=0, le=1, description="Share of would-be churners whom the offer keeps."
    )

    @model_validator(mode="after")
    def _offer_below_value(self) -> Money:
        if self.offer_cost >= self.customer_value:
            raise ValueError("offer_cost must be below customer_value, or no offer ever pays")
        return self


class TrainingTable(_Table):
    """How models are searched for."""

    budget_seconds: float = Field(120.0, gt=0)
    seed: int = Field(0, ge=0, le=2**32 - 1)
    test_share: float = Field(
        0.25, gt=0, lt=0.9, description="Share of customers kept for the test."
    )
    candidates: tuple[str, ...] = CANDIDATES


class ServingTable(_Table):
    """How scores are shown."""

    medium_risk: float = Field(
        0.3, gt=0, lt=1, description="Probability from which risk is medium."
    )
    high_risk: float = Field(0.6, gt=0, lt=1, description="Probability from which risk is high.")

    @model_validator(mode="after")
    def _ordered(self) -> ServingTable:
        if self.medium_risk >= self.high_risk:
            raise ValueError("medium_risk must be below high_risk")
        return self

    def risk_band(self, probability: float) -> str:
        """``low``, ``medium`` or ``high``."""
        if probability >= self.high_risk:
            return "high"
        return "medium" if probability >= self.medium_risk else "low"


class RolloutTable(_Table):
    """How a rollout proceeds where its plan says nothing else."""

    shares: Annotated[tuple[float, ...], BeforeValidator(_words)] = Field(
        (0.01, 0.05, 0.25), description="Shares of customers after shadow, rising."
    )
    minimum_days: float = Field(1.0, ge=0, description="Least days in each stage.")
    minimum_customers: int = Field(
        1_000, ge=0, description="Customers in the last stage; the others need their part of it."
    )
    max_unproven_share: float = Field(
        0.25, gt=0, lt=1, description="The most customers that an unproven model may answer."
    )
    profit_tolerance: float = Field(
        0.0, ge=0, description="Loss per customer that promotion accepts; 0: it must be a gain."
    )
    alpha_promote: float = Field(
        0.05, gt=0, le=0.5, description="Probability of a wrong promotion, over all attempts."
    )
    alpha_abort: float = Field(
        0.05, gt=0, le=0.5, description="Probability of a wrong abort, over all attempts."
    )
    automatic_promotion: bool = Field(True, description="false: a person promotes.")
    automatic_abort: bool = Field(True, description="false: it pauses, and a person aborts.")
    outcomes: Literal["everyone", "holdout", "propensity"] = Field(
        "everyone", description="Whose outcomes count; everyone: only where nobody is treated."
    )
    accept_history: bool = Field(
        False, description="Count matured customers from after the training, too."
    )
    score_drift: Literal["pause", "show"] = Field(
        "pause", description="What proven drift of a model's scores does; seasons are drift, too."
    )
    look_seconds: float = Field(
        60.0, ge=0, description="How often the service looks; 0: only a person or cron does."
    )
    shadow_rows: int = Field(
        2_000, ge=1, description="Requests that wait for the silent model; more are not shadowed."
    )

    @model_validator(mode="after")
    def _rising(self) -> RolloutTable:
        if any(a >= b for a, b in itertools.pairwise((0.0, *self.shares))):
            raise ValueError("the shares of a rollout must rise, from above 0")
        if self.shares and self.shares[-1] > self.max_unproven_share:
            raise ValueError("the last of the shares is above max_unproven_share")
        return self


class LedgerTable(_Table):
    """Where predictions and decisions are kept."""

    url: str = Field("", description="A SQLAlchemy URL; empty: store/ledger.sqlite.")


class OnlineTable(_Table):
    """The online state, which events keep up to date."""

    lateness_days: float = Field(
        3.0, ge=0, le=366, description="How many days late an event may be delivered."
    )


class ServiceTable(_Table):
    """How the service (``churnkit serve``) answers."""

    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0: all.")
    port: int = Field(8000, ge=0, le=65_535, description="0: a free one.")
    workers: int = Field(1, ge=1, le=64, description="Processes; more than one need PostgreSQL.")
    max_body_bytes: int = Field(8_000_000, ge=1_000, description="Of one request.")
    body_timeout_seconds: float = Field(10.0, gt=0, description="For a request's body to arrive.")
    idle_timeout_seconds: float = Field(75.0, gt=0, description="For the next request's head.")
    request_timeout_seconds: float = Field(30.0, gt=0, description="For an answer to be found.")
    max_requests_in_flight: int = Field(1_024, ge=1, description="More are turned away (503).")
    rate_per_second: float = Field(
        10_000.0, ge=0, description="Requests of one API key, per process; 0: no limit."
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="Web pages that may call, such as 'https://app.example.com'."
    )
    pool_size: int = Field(8, ge=1, description="Connections for queries, per process.")
    pool_timeout_seconds: float = Field(1.0, gt=0, description="To wait for one of them (503).")
    writers: int = Field(
        3, ge=1, le=16, description="Connections that write: one for few rows, the others for many."
    )
    max_pending_rows: int = Field(50_000, ge=1, description="Predictions that wait to be written.")
    max_group_rows: int = Field(2_000, ge=1, description="Predictions that share a commit.")
    commit_timeout_seconds: float = Field(1.5, gt=0, description="A slower database is away.")
    reload_seconds: float = Field(2.0, gt=0, description="How often to look who serves.")
    refresh_seconds: float = Field(
        2.0, gt=0, description="How often latest scores and figures take in new predictions."
    )
    figures_days: int = Field(
        90, ge=3, le=3_650, description="How long figures of volume, latency and drift are kept."
    )
    drift_days: int = Field(
        30, ge=1, le=366, description="Drift is tested anew so often; a customer counts once."
    )
    drift_rows: int = Field(
        500, ge=0, description="Rows per second and process whose features are counted; 0: none."
    )
    keys_seconds: float = Field(5.0, ge=0, description="How long a revoked key may still work.")
    drain_seconds: float = Field(20.0, gt=0, description="To finish what was begun, at the end.")
    lame_duck_seconds: float = Field(
        2.0, ge=0, description="To answer on while load balancers look elsewhere, at the end."
    )
    max_connections: int = Field(
        500, ge=1, description="WebSockets and feeds, per process; more are turned away (503)."
    )
    stream_window: int = Field(
        32, ge=1, le=1_000, description="Messages of a WebSocket that may wait for their answer."
    )
    stream_message_bytes: int = Field(1_000_000, ge=1_000, description="Of one message.")
    stream_idle_seconds: float = Field(
        600.0, gt=0, description="A WebSocket without a message for so long is closed."
    )
    slow_client_seconds: float = Field(
        10.0, gt=0, description="For a client to take an answer of a WebSocket or a feed."
    )
    heartbeat_seconds: float = Field(
        30.0, gt=0, description="How often a quiet WebSocket or feed shows that it is alive."
    )
    feed_days: float = Field(
        7.0, gt=0, description="How long a console that was away can still be told of it."
    )
    idempotency_hours: float = Field(24.0, gt=0, description="How long a key is remembered.")
    jobs: int = Field(1, ge=0, le=16, description="Jobs at once, per process; 0: none here.")
    job_rows: int = Field(
        10_000, ge=1, le=100_000, description="Rows of a batch that are committed together."
    )
    job_lease_seconds: float = Field(
        15.0, ge=1, description="A job whose process is silent for so long is taken over."
    )
    job_attempts: int = Field(3, ge=1, description="Times that a job's process may die.")
    job_hours: float = Field(
        168.0, gt=0, description="How long jobs that ended, and their files, are kept."
    )
    dataset_hours: float = Field(
        2_160.0, gt=0, description="The same for data sets and trainings: reports need them."
    )
    max_upload_bytes: int = Field(2_000_000_000, ge=1_000, description="Of one upload.")
    upload_timeout_seconds: float = Field(3_600.0, gt=0, description="For an upload to arrive.")
    bundles: str = Field("", description="A folder of bundles by hash; empty: the database's.")
    files: str = Field(
        "", description="A folder of jobs' files that all replicas share; empty: the database."
    )
    access_log: Literal["all", "errors", "off"] = Field("errors", description="Requests to log.")
    tracing: bool = Field(False, description="Spans for OpenTelemetry.")

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        # An environment variable holds a list with commas.
        if isinstance(value, str):
            return tuple(origin.strip() for origin in value.split(",") if origin.strip())
        return value


class OutcomesTable(_Table):
    """How outcomes are read, and joined to predictions."""

    customer_id: str = Field("customer_id", description="The column that names the customer.")
    churned: str = Field("churned", description="The column that says whether the customer left.")
    positive: Words = Field((), description="What it holds for 'left'; empty: true, yes, 1, …")
    as_of: str = Field("as_of", description="The column with the prediction's date.")
    churned_at: str = Field("churned_at", description="The column with the day of leaving.")
    observed_from: str = Field("observed_from", description="Watched after this moment …")
    observed_to: str = Field("observed_to", description="… and until this one.")
    value: str = Field("value", description="The column with the customer's worth.")
    known_at: str = Field("known_at", description="The column that says when a row became known.")
    time_format: TimeFormat = Field("", description=_TIME_FORMAT)
    source_zone: Zone = Field("", description=_SOURCE_ZONE)
    arrival_delay_days: float = Field(
        0.0, ge=0, le=3_650, description="Days until an outcome is known after its window."
    )
    match_days: Days = Field(
        0, description="Days between a prediction and the as_of of its outcome; 0: the same day."
    )
    complete_share: float = Field(
        0.95, gt=0, le=1, description="A day's predictions count once so many have an outcome."
    )
    max_broken_share: float = Field(
        0.5, ge=0, le=1, description="More broken rows than this share end an import."
    )


class TreatmentsTable(_Table):
    """How treatments are read."""

    treatment_id: str = Field("treatment_id", description="A column of names; may be missing.")
    customer_id: str = Field("customer_id", description="The column that names the customer.")
    at: str = Field("at", description="The column with the moment of the offer.")
    offer: str = Field("offer", description="The column that names the offer.")
    campaign: str = Field("campaign", description="The column that names the campaign.")
    assignment_probability: str = Field(
        "assignment_probability", description="The column with the probability of being treated."
    )
    hold_out: str = Field("hold_out", description="The column that marks who was drawn out.")
    cost: str = Field("cost", description="The column with the cost.")
    time_format: TimeFormat = Field("", description=_TIME_FORMAT)
    source_zone: Zone = Field("", description=_SOURCE_ZONE)
    max_broken_share: float = Field(
        0.5, ge=0, le=1, description="More broken rows than this share end an import."
    )


class AlertsTable(_Table):
    """To whom alerts go. Secrets are only in the environment: CHURNKIT_SMTP_PASSWORD, and
    CHURNKIT_WEBHOOK_SECRET, which signs what a webhook gets."""

    webhook_url: str = Field("", description="Alerts are posted there; empty: nowhere.")
    email_to: Words = Field((), description="Who gets alerts by e-mail.")
    email_from: str = Field("churnkit@localhost", description="Who they come from.")
    smtp_host: str = Field("", description="The mail server; empty: no e-mail.")
    smtp_port: int = Field(587, ge=1, le=65_535)
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "starttls", description="none, starttls or tls."
    )
    smtp_user: str = Field("", description="Who logs in there; empty: nobody needs to.")
    remind_days: float = Field(7.0, gt=0, description="An alert that goes on is sent again.")
    settle_hours: float = Field(24.0, ge=0, description="Gone for less, it has not ended.")
    most_per_hour: int = Field(10, ge=1, description="More wait for the next time.")
    timeout_seconds: float = Field(10.0, gt=0, description="For a webhook or a mail server.")


class RetentionTable(_Table):
    """How many days rows are kept, by table; 0: for ever."""

    predictions: Days = Field(0, description="Counted from when they were made.")
    outcomes: Days = Field(0, description="Counted from when they were recorded.")
    treatments: Days = Field(0, description="Counted from the treatment.")
    experiments: Days = Field(0, description="Who was in which arm, from his entry.")
    rollout_windows: Days = Field(0, description="Requests and latency of rollouts by minute.")
    idempotency: Days = Field(0, description="Answers under idempotency keys.")
    online_state: Days = Field(0, description="Counted from a customer's last event.")
    rejected_files: Days = Field(0, description="Rows that imports set aside.")
    reports: Days = Field(0, description="Reports.")


class RetrainingTable(_Table):
    """When a new model is made by itself; 0 or false: that is no reason."""

    every_days: float = Field(30.0, ge=0, description="By the calendar.")
    new_labels: int = Field(0, ge=0, description="When so many labels have matured.")
    drift: bool = Field(True, description="When drift of more than a trifle is proven.")
    decay: bool = Field(True, description="When matured quality is worse than promised.")
    fewest_days: float = Field(1.0, ge=0, description="Never more often than this.")
    refresh_data: bool = Field(
        True, description="Read the source again first, where it is a table of customers."
    )
    rollout: bool = Field(True, description="Start a rollout in shadow, unless it is worse.")
    check_hours: float = Field(
        0.0, ge=0, description="How often the service looks whether one is due; 0: never."
    )
    step_minutes: float = Field(
        120.0, gt=0, description="After so long without a sign of life another process takes over."
    )


class BrokerTable(_Table):
    """Events and requests that come over a message broker (``churnkit consume``)."""

    kind: Literal["nats", "kafka", "redis"] = Field(
        "nats", description="nats (JetStream); kafka and redis are not tested against a server."
    )
    url: str = Field(
        "", description="Such as nats://localhost:4222; empty: the broker's usual one here."
    )
    stream: str = Field("CHURNKIT", description="JetStream's stream; it is made if there is none.")
    events: str = Field("churnkit.events", description="Where events come from; empty: nowhere.")
    requests: str = Field(
        "churnkit.requests", description="Where customers to score come from; empty: nowhere."
    )
    predictions: str = Field("churnkit.predictions", description="Where predictions go.")
    dead_letters: str = Field(
        "churnkit.dead_letters", description="Where messages go that can never succeed."
    )
    group: str = Field(
        "churnkit", description="Consumers of one name share the messages among them."
    )
    in_flight: int = Field(64, ge=1, le=1_000, description="Messages at work in one process.")
    max_deliveries: int = Field(
        20, ge=1, description="A message that failed so often goes to the dead letters."
    )
    ack_wait_seconds: float = Field(
        60.0, ge=1, description="After so long without an answer a message is delivered again."
    )
    retry_seconds: float = Field(
        1.0, gt=0, description="Until a message that failed is delivered again, the first time."
    )
    max_message_bytes: int = Field(
        1_000_000, ge=10_000, description="Longer answers are published in several parts."
    )
    metrics_port: int = Field(
        0, ge=0, le=65_535, description="/metrics, /healthz and /readyz of a consumer; 0: none."
    )


class Settings(_Table):
    """The whole of churnkit.toml."""

    project: ProjectTable
    data: DataTable
    columns: ColumnsTable
    money: Money = Money()
    training: TrainingTable = TrainingTable()
    serving: ServingTable = ServingTable()
    rollout: RolloutTable = RolloutTable()
    ledger: LedgerTable = LedgerTable()
    service: ServiceTable = ServiceTable()
    events: EventsTable | None = None
    attributes: AttributesTable | None = None
    subscriptions: SubscriptionsTable | None = None
    churn: ChurnTable = ChurnTable()
    online: OnlineTable = OnlineTable()
    broker: BrokerTable | None = None
    outcomes: OutcomesTable = OutcomesTable()
    treatments: TreatmentsTable = TreatmentsTable()
    alerts: AlertsTable = AlertsTable()
    retention: RetentionTable = RetentionTable()
    retraining: RetrainingTable = RetrainingTable()

    @model_validator(mode="before")
    @classmethod
    def _of_events(cls, content: Any) -> Any:
        """The table that is built from events has columns that churnkit names."""
        if isinstance(content, dict) and content.get("events") is not None:
            given = content.get("columns", {})
            if isinstance(given, dict):
                given = {**BUILT_COLUMNS, **given}
            return {"data": {}, **content, "columns": given}
        return content

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        if self.events is None:
            if not self.data.source:
                raise ValueError("data.source names no file, and there is no [events] table")
            if self.attributes is not None or self.subscriptions is not None:
                raise ValueError("[attributes] and [subscriptions] need an [events] table")
        if self.churn.kind == "contractual" and self.events and self.subscriptions is None:
            raise ValueError("contractual churn needs a [subscriptions] table")
        return self


def read_settings(folder: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read ``folder/churnkit.toml``, overridden by ``CHURNKIT_<TABLE>_<KEY>`` variables.

    Raises
    ------
    ProjectNotFound : there is no such file
    SettingsInvalid : it is not TOML, or a key or value is not allowed
    """
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ProjectNotFound(
            "this is not a churnkit project: it has no churnkit.toml.",
            fix="Create one with 'churnkit init DIR --data FILE', or name a project with -C DIR.",
            folder=folder,
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsInvalid("the file is not UTF-8 text.", file=path) from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"the file is not TOML: {error}.", file=path) from error
    return _validated(_with_environment(content, environ), path)


def write_settings(folder: Path, settings: Settings) -> None:
    """Write ``folder/churnkit.toml`` in one step, with each key's meaning as a comment."""
    path = folder / FILE_NAME
    with storage_errors(path):
        temporary = path.with_suffix(".toml.new")
        temporary.write_text(settings_text(settings), encoding="utf-8")
        temporary.replace(path)


def settings_text(settings: Settings) -> str:
    """The settings as a TOML document with comments."""
    document = tomlkit.document()
    document.add(tomlkit.comment("What churnkit knows about this project. Edit it freely."))
    for name in type(settings).model_fields:
        part = getattr(settings, name)
        if part is None or (name == "online" and settings.events is None):
            continue
        quiet = name in _QUIET or (name == "churn" and settings.events is None)
        if quiet and part == type(part)():
            continue
        table = tomlkit.table()
        for key, field in type(part).model_fields.items():
            value = getattr(part, key)
            if value is None:
                table.add(tomlkit.comment(f"{key} = 180  # {field.description}"))
                continue
            item: Any
            if isinstance(value, dict):
                item = tomlkit.inline_table()
                item.update(value)
            else:
                item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
            if field.description:
                item.comment(field.description)
            table.add(key, item)
        document.add(tomlkit.nl())
        document.add(name, table)
    return tomlkit.dumps(document)


def _validated(content: dict[str, Any], path: Path) -> Settings:
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SettingsInvalid(
            f"{first['msg'].removeprefix('Value error, ')}.",
            fix="Mend this key; docs/architecture.md lists all of them.",
            file=path,
            field=field,
        ) from error


def _with_environment(content: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    merged = {k: dict(v) if isinstance(v, dict) else v for k, v in content.items()}
    for name in Settings.model_fields:
        prefix = f"CHURNKIT_{name.upper()}_"
        for variable, value in environ.items():
            if variable.startswith(prefix):
                table = merged.setdefault(name, {})
                if isinstance(table, dict):
                    table[variable.removeprefix(prefix).lower()] = value
    return merged
