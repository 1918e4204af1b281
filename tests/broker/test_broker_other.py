"""Kafka and Redis by setting, in memory: no server of theirs is here to be tested against."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from churnkit_service.broker.consume import make_link
from churnkit_service.broker.work import Worker
from churnkit_service.service import Service
from faststream.kafka import TestKafkaBroker
from faststream.redis import TestRedisBroker

from churnkit.settings.broker import BrokerTable
from churnkit.usecases.operating.online import open_for_service
from tests.live import item, prepare


@pytest.mark.parametrize("kind", ["kafka", "redis"])
def test_requests_are_answered_and_dead_letters_have_their_reason(
    kind: str, served_folder: Path, postgres_url: str
) -> None:
    prepare(served_folder, postgres_url)
    settings = BrokerTable.model_validate({"kind": kind})
    good, bad = json.dumps({"items": [item("other")]}).encode(), b"{not json"
    heard: dict[str, list[Any]] = {"predictions": [], "dead_letters": []}

    async def talk() -> None:
        with open_for_service(served_folder, postgres_url) as project:
            service = Service(project, project.settings.service)
            await service.start()
            link: Any = make_link(Worker(service, settings), settings, drain_seconds=5)
            broker = link.broker
            testing = TestKafkaBroker if kind == "kafka" else TestRedisBroker

            def listen(name: str) -> None:
                async def heard_one(message: Any) -> None:
                    heard[name].append((message.body, message.headers))

                where = getattr(settings, name)
                listening = {"stream": where} if kind == "redis" else {}
                topics = [where] if kind == "kafka" else []
                broker.subscriber(*topics, **listening)(heard_one)

            for name in heard:
                listen(name)
            async with testing(broker):
                for body in (good, good, bad):
                    where = settings.requests
                    place = {"stream": where} if kind == "redis" else {"topic": where}
                    await broker.publish(body, **place, headers={"message-id": body.hex()[:60]})
            await service.close()

    asyncio.run(asyncio.wait_for(talk(), 60))
    answers = [json.loads(body) for body, _ in heard["predictions"]]
    assert len(answers) == 2  # published again, as the first may have been lost
    assert answers[0] == answers[1]
    ((body, headers),) = heard["dead_letters"]
    assert (body, headers["Churnkit-Reason"]) == (bad, "body-malformed")
    with open_for_service(served_folder, postgres_url) as project:
        (row,) = project.ledger.predictions(customer_id="other")
    assert row.prediction_id == answers[0]["predictions"][0]["prediction_id"]
