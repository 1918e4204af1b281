"""Outcomes from the log of events, by the churn definition that the models learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np

from churnkit.data.zones import moment_us
from churnkit.domain.moments import from_us, to_us
from churnkit.domain.outcomes import Outcome
from churnkit.domain.progress import Cancel, Progress, Step
from churnkit.features.labels import labels_at
from churnkit.ledger.experiments import entry_moments
from churnkit.ledger.outcomes import outcomes_of, record_outcomes
from churnkit.ledger.scored_rows import scored_rows
from churnkit.project import Project
from churnkit.usecases.features.labels import project_calendar
from churnkit.usecases.outcomes.label_spans import label_spans
from churnkit.usecases.outcomes.row_import import RowsImported
from churnkit.usecases.suppressing import erased_within

_SOURCE = "log"
_CHUNK = 20_000


def outcomes_from_log(
    project: Project, *, now: datetime, progress: Progress, cancel: Cancel | None
) -> RowsImported:
    """Derive the outcome of each matured prediction, and entry into an experiment.

    A customer who was not eligible at the moment of the prediction is settled without a label.
    Derived again from a longer log, an outcome that differs is a correction, known from now on.

    Raises
    ------
    SettingsInvalid : this is no project of events
    DataEmpty : no events were imported
    """
    calendar = project_calendar(project, now=now)
    spans = label_spans(project)
    progress(Step("looking for matured predictions"))
    latest = from_us(min(moment_us(now, "UTC"), calendar.known_until_us) - spans.shortest_us)
    scored = {
        (row.customer_id, to_us(row.moment))
        for row in scored_rows(project.ledger.engine, until=latest)
    }
    entered = {
        (customer, to_us(moment))
        for customer, moment in entry_moments(project.ledger.engine, until=latest)
    }
    asked = sorted(scored | entered)
    us = np.array([moment for _, moment in asked], dtype=np.int64)
    decided = spans.windows(us).decided_us if len(us) else us
    due = np.flatnonzero(decided <= calendar.known_until_us).tolist()
    rows: list[Outcome] = []
    for start in range(0, len(due), _CHUNK):
        if cancel is not None:
            cancel.check()
        part = due[start : start + _CHUNK]
        progress(Step("deriving outcomes", start / len(due), f"{start:,} of {len(due):,}"))
        labels = labels_at(project.database, calendar, [asked[i][0] for i in part], us[part])
        rows += [
            Outcome(
                customer_id=asked[i][0],
                churned=label,
                source=_SOURCE,
                as_of=from_us(asked[i][1]),
                known_at=from_us(int(decided[i])),
            )
            for i, label in zip(part, labels, strict=True)
        ]
    progress(Step("recording the outcomes"))
    recorded = record_outcomes(
        project.ledger.engine,
        list(_dated(project, rows)),
        now=now,
        erased=erased_within(project),
    )
    return RowsImported(
        kind="outcomes",
        n_rows=len(rows),
        recorded=recorded,
        n_rejected=0,
        reasons=(),
        first_rejected="",
        rejected_file="",
        n_suppressed=0,
        notes=(
            f"{'Predictions and entries' if entered else 'Predictions'} whose outcome the log "
            f"decides: {len(rows):,}, of which "
            f"{sum(row.churned is None for row in rows):,} have no label "
            "(the customer was not eligible then).",
        ),
    )


def _dated(project: Project, rows: Sequence[Outcome]) -> Iterator[Outcome]:
    """The rows as the ledger takes them: one that differs from what it has is known from now."""
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        known = outcomes_of(project.ledger.engine, sorted({row.customer_id for row in chunk}))
        for row in chunk:
            seen = any(old.subject == row.subject for old in known.get(row.customer_id, ()))
            yield row.known(None) if seen else row
