"""Ids that follow from a message: the same for each delivery, wherever they are named."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import orjson
from churnkit_service.answered import Answered
from churnkit_service.broker.delivery import Delivery
from churnkit_service.broker.work import renamed
from churnkit_service.shadows import Shadowed

from churnkit.domain.recording import PredictionColumns
from churnkit.domain.rollouts import RolloutFailure

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_ids_are_the_same_for_each_delivery_and_differ_otherwise() -> None:
    first = Delivery("requests", b"x", "m-1")
    again = Delivery("requests", b"x", "m-1", deliveries=7)
    others = [
        Delivery("requests", b"x", "m-2").prediction_id(0),
        Delivery("events", b"x", "m-1").prediction_id(0),
        first.prediction_id(1),
    ]
    assert first.prediction_id(0) == again.prediction_id(0)
    assert len({first.prediction_id(0), *others}) == 4
    parsed = UUID(first.prediction_id(0))
    assert (parsed.version, parsed.variant) == (8, "specified in RFC 4122")


def test_in_a_rollout_all_that_names_a_prediction_follows() -> None:
    """Two models answered, in another order than the items; a shadow and a failure hang on."""

    def part(variant: str, *ids: str) -> PredictionColumns:
        n = len(ids)
        return PredictionColumns(
            list(ids), ["c"] * n, [0.5] * n, ["low"] * n, ["[]"] * n, [None] * n, "v1", variant, NOW
        )

    told = {"predictions": [{"prediction_id": one} for one in "abc"], "errors": []}
    shadow = Shadowed("r", "challenger", None, [{}], ["c"], ["c"], NOW, None, None)  # type: ignore[arg-type]
    failure = RolloutFailure(
        prediction_id="a", rollout_id="r", variant="challenger", at=NOW, why="x"
    )
    answered = Answered(
        b"", (part("champion", "c", "a"), part("challenger", "b")), (shadow,), (failure,)
    )
    new = renamed(answered, told, ["1", "2", "3"])
    assert [one["prediction_id"] for one in orjson.loads(new.body)["predictions"]] == [*"123"]
    assert [one.prediction_ids for one in new.parts] == [["3", "1"], ["2"]]
    assert [list(one.answers) for one in new.shadows] == [["3"]]
    assert [one.prediction_id for one in new.failures] == ["1"]
