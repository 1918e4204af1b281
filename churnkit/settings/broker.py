"""[broker]: messages in and out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from churnkit.settings.kinds import Table


class BrokerTable(Table):
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
