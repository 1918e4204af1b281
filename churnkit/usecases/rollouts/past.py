"""Evidence from before a rollout: both models on dates whose labels neither could learn from.

In a project of events the log can be asked what a customer looked like at a past date. A date
counts only if its labels were decided after both models were made, so nobody chose or fitted a
model by them. It is a stream of evidence of its own, with its own part of the error budget, and a
plan has to accept it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from churnkit.data.database import opened
from churnkit.data.event_tables import CUSTOMERS
from churnkit.data.scoring_input import stream_typed
from churnkit.domain.moments import from_us, to_us
from churnkit.domain.rollouts import RolloutRow
from churnkit.errors import DataEmpty, EvidenceInvalid
from churnkit.features.labels import label_table
from churnkit.features.panel import Calendar
from churnkit.inference.batch import score_batches
from churnkit.ledger.outcomes import any_treatment, read_holdouts, treatments_of
from churnkit.project import Project
from churnkit.rollout.evidence import StreamState, Watermark, absorb
from churnkit.rollout.gathered import Gathered
from churnkit.rollout.pairs import Pairs, make_pairs
from churnkit.rollout.plan import Plan
from churnkit.usecases.features.labels import project_calendar
from churnkit.usecases.features.source import FeatureSource
from churnkit.usecases.models.serving import load_predictor
from churnkit.usecases.outcomes.weighing import weigh

_LAST = "\U0010ffff"


def take_in_past(
    project: Project, row: RolloutRow, plan: Plan, known: Gathered, *, now: datetime
) -> Gathered:
    """The evidence with the past dates that have matured since the last look.

    Raises
    ------
    EvidenceInvalid : customers were treated, and the plan counts everyone
    """
    calendar = project_calendar(project, now=now)
    since = max(filter(None, (known.history_until, known.fresh_from)), default=None)
    if since is None:
        return known
    state = known.history or StreamState()
    seen: set[str] = set()
    earlier = known.fresh_from or since
    # A customer counts with the first date that he was eligible at, so earlier ones are known.
    for date in _dates(project, calendar, earlier, now):
        labels = _labels(project, calendar, date)
        if date > since:
            pairs = _pairs(project, row, plan, date, labels, seen)
            state = absorb(plan, state, pairs)
            mark = Watermark(predicted_at_us=to_us(date), customer_id=_LAST)
            state = state.model_copy(update={"watermark": mark})
            known = known.model_copy(update={"history": state, "history_until": date})
        seen |= labels.keys()
    return known


def _dates(
    project: Project, calendar: Calendar, after: datetime, now: datetime
) -> Iterator[datetime]:
    """Dates at the project's stride, as far as their labels are decided."""
    zone = ZoneInfo(project.settings.project.zone)
    date = datetime.combine(after.astimezone(zone).date() + timedelta(days=1), time(), zone)
    stride = timedelta(days=project.settings.churn.stride_days)
    while date <= now and calendar.matured(to_us(date)):
        if to_us(date) >= calendar.first_us:
            yield date.astimezone(ZoneInfo("UTC"))
        date += stride


def _labels(project: Project, calendar: Calendar, date: datetime) -> dict[str, bool]:
    """Customer → whether he churned, of all who were eligible at a date."""
    labels = label_table(project.database, calendar, [to_us(date)])
    with opened(project.database) as connection:
        connection.register("labels", labels)
        found = connection.sql(
            f"select customer_id, churned from labels join {CUSTOMERS} using (customer_no)"
        ).fetchall()
    return {str(name): bool(churned) for name, churned in found}


def _pairs(
    project: Project,
    row: RolloutRow,
    plan: Plan,
    date: datetime,
    labels: dict[str, bool],
    seen: set[str],
) -> Pairs:
    first = _scores(project, row.champion, date)
    second = _scores(project, row.challenger, date)
    names = sorted(labels.keys() & first.keys() & second.keys())
    end = date + timedelta(days=row.days_to_mature)
    engine = project.ledger.engine
    weighed = weigh(
        names,
        [date] * len(names),
        [end] * len(names),
        treatments=treatments_of(engine, names) if any_treatment(engine) else {},
        holdouts=read_holdouts(engine),
        counting=plan.outcomes,
        smallest_propensity=plan.smallest_propensity,
    )
    if plan.outcomes == "everyone" and weighed.treated.any():
        raise EvidenceInvalid(
            "some of the past customers were treated, so not everyone's outcome is evidence.",
            fix="Count the hold-out, or weigh by logged propensities.",
        )
    return make_pairs(
        customer_id=np.array(names, dtype=np.str_),
        predicted_at=np.full(len(names), np.datetime64(to_us(date), "us")),
        champion=np.array([first[name] for name in names], dtype=np.float64),
        challenger=np.array([second[name] for name in names], dtype=np.float64),
        left=np.array([labels[name] for name in names], dtype=np.bool_),
        weight=weighed.weight,
        ordinal=np.array([2 if name in seen else 1 for name in names], dtype=np.int64),
    )


def _scores(project: Project, version: str, date: datetime) -> dict[str, float]:
    """Customer → probability, as the model would have said at a date."""
    predictor, bundle = load_predictor(project, version)
    if bundle.features is None:
        return {}
    source = FeatureSource(project, bundle.features, from_us(to_us(date)))
    found: dict[str, float] = {}
    try:
        for batch in score_batches(predictor, stream_typed(source, bundle.schema)):
            columns = pa.Table.from_batches([batch])
            found.update(
                zip(
                    columns["customer_id"].to_pylist(),
                    columns["probability"].to_pylist(),
                    strict=True,
                )
            )
    except DataEmpty:  # nobody was eligible at this date
        return {}
    return found
