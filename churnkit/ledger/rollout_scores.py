"""What both models of a rollout said of each customer's first request, without his name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from churnkit.ledger.rollout_counts import first_answers
from churnkit.ledger.tables import predictions
from churnkit.ledger.transactions import reading

_CHUNK = 2_000


def first_scores(
    engine: sa.Engine, rollout_id: str, *, since: datetime | None, until: datetime
) -> Iterator[tuple[str, list[float]]]:
    """Scores of customers whose first request in the rollout was in (since, until].

    They come in chunks, as (variant, probabilities), so that any number takes the same memory.
    """
    answer, shadow = predictions.alias("answer"), predictions.alias("shadow")
    first = first_answers(answer, rollout_id, since=since, until=until)
    silent = answer.outerjoin(shadow, shadow.c.shadow_of == answer.c.prediction_id)
    query = (
        sa.select(
            answer.c.variant,
            answer.c.probability,
            shadow.c.variant.label("silent_variant"),
            shadow.c.probability.label("silent_probability"),
        )
        .select_from(silent)
        .where(*first)
    )
    with reading(engine) as connection:
        streamed = connection.execution_options(stream_results=True, yield_per=_CHUNK)
        for chunk in streamed.execute(query).partitions():
            found: dict[str, list[float]] = {}
            for variant, probability, silent_variant, silent_probability in chunk:
                found.setdefault(variant, []).append(probability)
                if silent_variant is not None:
                    found.setdefault(silent_variant, []).append(silent_probability)
            yield from found.items()
