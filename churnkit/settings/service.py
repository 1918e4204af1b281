"""[service]: how ``churnkit serve`` answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from churnkit.settings.kinds import Table


class ServiceTable(Table):
    """How the service (``churnkit serve``) answers."""

    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0: all.")
    port: int = Field(8000, ge=0, le=65_535, description="0: a free one.")
    workers: int = Field(1, ge=1, le=64, description="Processes; more than one need PostgreSQL.")
    max_body_bytes: int = Field(8_000_000, ge=1_000, description="Of one request.")
    body_timeout_seconds: float = Field(10.0, gt=0, description="For a request's body to arrive.")
    idle_timeout_seconds: float = Field(75.0, gt=0, description="For the next request's head.")
    request_timeout_seconds: float = Field(
        30.0, gt=0, description="For an answer to be found, and taken."
    )
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
