"""What is counted and measured, in Prometheus' conventions; labels have few values."""

from __future__ import annotations

import itertools
import os
from collections import Counter as Counted
from collections.abc import Sequence

import numpy as np
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
_TENTHS = tuple(i / 10 for i in range(1, 11))


class ManyHistogram(Histogram):
    """A histogram that takes a thousand values in a few steps."""

    def observe_many(self, values: Sequence[float]) -> None:
        """The same as ``observe`` for each value."""
        bounds = self._upper_bounds
        if len(values) == 1:
            self.observe(values[0])
            return
        places = np.searchsorted(bounds, values)
        for place, n in enumerate(np.bincount(places, minlength=len(bounds)).tolist()):
            if n:
                self._buckets[place].inc(n)
        self._sum.inc(sum(values))


class Metrics:
    """The service's figures; each process has one set, a scrape adds up all processes."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "churnkit_http_requests",
            "Answered requests.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.request_seconds = ManyHistogram(
            "churnkit_http_request_duration_seconds",
            "Time from a request's head to its answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "churnkit_http_requests_in_flight",
            "Requests that are being answered.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.predictions = Counter(
            "churnkit_predictions",
            "Committed predictions.",
            ("model_version", "variant", "risk_band"),
            registry=registry,
        )
        self.probability = ManyHistogram(
            "churnkit_prediction_probability_ratio",
            "Probabilities of committed predictions.",
            ("model_version",),
            buckets=_TENTHS,
            registry=registry,
        )
        self.unknown_categories = Counter(
            "churnkit_predictions_with_unknown_categories",
            "Predictions with a category that the model never saw.",
            ("model_version",),
            registry=registry,
        )
        self.events = Counter(
            "churnkit_events",
            "Delivered events, by what became of them.",
            ("outcome",),
            registry=registry,
        )
        self.connections = Gauge(
            "churnkit_connections",
            "WebSockets and feeds that are open.",
            ("route",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.connections_closed = Counter(
            "churnkit_connections_closed",
            "WebSockets and feeds that came to their end, by who or what ended them.",
            ("route", "reason"),
            registry=registry,
        )
        self.stream_messages = Counter(
            "churnkit_stream_messages",
            "Messages of WebSockets that were answered, by the answer.",
            ("outcome",),
            registry=registry,
        )
        self.broker_messages = Counter(
            "churnkit_broker_messages",
            "Messages of the broker, by what became of this delivery.",
            ("role", "outcome"),
            registry=registry,
        )
        self.broker_seconds = Histogram(
            "churnkit_broker_message_duration_seconds",
            "Time from a message's delivery to its commit.",
            ("role",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.feed_events = Counter(
            "churnkit_feed_events",
            "Events that consoles were told of, counted once for all consoles.",
            ("kind",),
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "churnkit_ledger_commit_duration_seconds",
            "Time of a commit that several requests share.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.commit_requests = Histogram(
            "churnkit_ledger_commit_requests",
            "Requests that shared a commit.",
            buckets=_ROWS,
            registry=registry,
        )
        self.pending_rows = Gauge(
            "churnkit_ledger_pending_rows",
            "Predictions that wait for a commit.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.ledger_up = Gauge(
            "churnkit_ledger_up",
            "Whether the ledger's database answered when it was last asked.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.queries_busy = Gauge(
            "churnkit_query_connections_busy",
            "Connections for queries that are in use.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.shadows = Counter(
            "churnkit_rollout_shadow_rows",
            "Rows that the silent model of a rollout scored, failed on, or was not given (shed).",
            ("outcome",),
            registry=registry,
        )
        self.rollout_share = Gauge(
            "churnkit_rollout_share_ratio",
            "The share of customers whom a rollout's challenger answers.",
            ("rollout_id", "challenger"),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.model = Gauge(
            "churnkit_model_info",
            "The model version that answers.",
            ("model_version",),
            registry=registry,
            multiprocess_mode="livemax",
        )

        self.jobs = Gauge(
            "churnkit_jobs",
            "Jobs that wait or run, in the database that the replicas share.",
            ("kind", "state"),
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self.jobs_ended = Counter(
            "churnkit_jobs_ended",
            "Jobs that this service's processes ended, or left to others.",
            ("kind", "ending"),
            registry=registry,
        )
        self.job_rows = Counter(
            "churnkit_job_rows",
            "Rows that jobs committed.",
            ("kind", "outcome"),
            registry=registry,
        )

        def shared(name: str, text: str, *labels: str) -> Gauge:
            """What all replicas read from the ledger: the latest that a process read."""
            return Gauge(
                f"churnkit_{name}",
                text,
                labels,
                registry=registry,
                multiprocess_mode="livemostrecent",
            )

        self.refreshed = shared(
            "figures_refreshed_timestamp_seconds",
            "Up to when latest scores and figures take predictions in.",
        )
        self.drift_columns = shared(
            "drift_columns",
            "Columns of the running period whose drift is proven, by how far they moved.",
            "model_version",
            "kind",
            "severity",
        )
        self.rollout_condition = shared(
            "rollout_condition",
            "1: the rollout is in this condition; a rollout that is over is in none.",
            "rollout_id",
            "condition",
        )
        self.rollout_stage = shared(
            "rollout_stage", "The rollout's place in its plan's stages; 0: shadow.", "rollout_id"
        )
        self.rollout_stage_since = shared(
            "rollout_stage_since_timestamp_seconds",
            "When the rollout came to its stage.",
            "rollout_id",
        )
        self.rollout_looked = shared(
            "rollout_looked_timestamp_seconds",
            "When a controller last looked at the rollout.",
            "rollout_id",
        )
        self.rollout_pairs = shared(
            "rollout_matured_pairs",
            "Customers whom both models scored, and whose outcome is known.",
            "rollout_id",
        )
        self.rollout_mismatch_p = shared(
            "rollout_sample_ratio_p_value",
            "Bounds the probability that the arms are ever so far from their shares by chance.",
            "rollout_id",
        )
        self.rollout_mismatch = shared(
            "rollout_sample_ratio_mismatch",
            "1: by the rollout's plan, the arms do not get the shares that they should.",
            "rollout_id",
        )
        self.rollout_awaits_person = shared(
            "rollout_awaits_person",
            "1: the plan leaves the step that is due to a person.",
            "rollout_id",
        )

        # What was never seen yet counts 0: the first one is then an increase for Prometheus.
        for outcome in ("scored", "failed", "shed"):
            self.shadows.labels(outcome)
        for role, outcome in itertools.product(("events", "requests"), ("done", "dead", "later")):
            self.broker_messages.labels(role, outcome)

    def predicted(self, version: str, variant: str, bands: Sequence[str]) -> None:
        """Count predictions by their risk bands."""
        for band, n in Counted(bands).items():
            self.predictions.labels(version, variant, band).inc(n)

    def broker_message(self, role: str, outcome: str, seconds: float) -> None:
        """Count one delivery."""
        self.broker_messages.labels(role, outcome).inc()
        self.broker_seconds.labels(role).observe(seconds)

    def events_received(self, **outcomes: int) -> None:
        """Count delivered events by what became of them."""
        for outcome, n in outcomes.items():
            if n:
                self.events.labels(outcome).inc(n)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            everybody = CollectorRegistry()
            MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
            return generate_latest(everybody)
        return generate_latest(self._registry)
