"""What became true: take it in from a file, a query, a program or the log; say how far it got."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.data.outcome_batches import OutcomeReader
from churnkit.data.zones import moment_us
from churnkit.domain.moments import from_us, to_us
from churnkit.domain.outcomes import Outcome, Recorded
from churnkit.domain.progress import Cancel, Progress, silent
from churnkit.errors import SettingsInvalid
from churnkit.features.as_of import parse_as_of
from churnkit.ledger import outcomes as table
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.features.feature_set import AsOf
from churnkit.usecases.outcomes.label_spans import LabelSpans, label_spans
from churnkit.usecases.outcomes.log_outcomes import outcomes_from_log
from churnkit.usecases.outcomes.maturing import Cohort, cohorts_of
from churnkit.usecases.outcomes.row_import import RowKind, RowsImported, Unusable, import_rows
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import erased_within, suppressed_in

_SHOWN_DAYS = 12


@dataclass(frozen=True, repr=False)
class OutcomeStatus(Result):
    """How many predictions have matured, and of how many it is known what became true."""

    now: datetime
    cohorts: tuple[Cohort, ...]
    complete_share: float
    days_to_mature: float
    n_outcomes: int
    n_corrected: int
    """Subjects with more than one row: the one known last holds."""
    n_waiting: int
    """Predictions that have not matured."""

    @property
    def n_matured(self) -> int:
        """Predictions whose outcome is due."""
        return sum(one.n for one in self.cohorts if one.matured)

    @property
    def n_settled(self) -> int:
        """Of them, those with an outcome."""
        return sum(one.n_settled for one in self.cohorts if one.matured)

    @property
    def incomplete(self) -> tuple[Cohort, ...]:
        """Days that have matured and lack outcomes."""
        return tuple(one for one in self.cohorts if one.matured and not one.whole)

    def __rich__(self) -> RenderableType:
        missing = self.n_matured - self.n_settled
        lines: list[RenderableType] = [
            Text(
                f"{self.n_outcomes:,} outcomes are recorded ({self.n_corrected:,} subjects were "
                "corrected)."
            ),
            Text(
                f"{self.n_matured:,} predictions have matured (after {self.days_to_mature:g} "
                f"days): {self.n_settled:,} have an outcome, {missing:,} lack one. "
                f"{self.n_waiting:,} have not matured."
            ),
        ]
        if self.incomplete:
            lines.append(
                Text(
                    f"These days wait until {self.complete_share:.0%} of their predictions have "
                    "an outcome; evidence of a rollout waits with the first of them:"
                )
            )
            view = Table(box=None, pad_edge=False, header_style="bold")
            for name in ("day", "predictions", "with outcome", "share"):
                view.add_column(name, justify="left" if name == "day" else "right")
            for one in self.incomplete[:_SHOWN_DAYS]:
                view.add_row(
                    f"{one.day}", f"{one.n:,}", f"{one.n_settled:,}", f"{one.n_settled / one.n:.1%}"
                )
            lines.append(view)
            if len(self.incomplete) > _SHOWN_DAYS:
                lines.append(Text(f"… and {len(self.incomplete) - _SHOWN_DAYS:,} more days."))
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        return {
            "now": self.now.isoformat(),
            "n_outcomes": self.n_outcomes,
            "n_corrected": self.n_corrected,
            "n_matured": self.n_matured,
            "n_settled": self.n_settled,
            "n_missing": self.n_matured - self.n_settled,
            "n_waiting": self.n_waiting,
            "complete_share": self.complete_share,
            "cohorts": [{**asdict(one), "day": one.day.isoformat()} for one in self.cohorts],
        }


@dataclass(frozen=True, repr=False)
class Outcomes(Result):
    """Recorded outcomes, the last recorded first."""

    rows: tuple[tuple[datetime, str, Outcome], ...]

    def __rich__(self) -> RenderableType:
        if not self.rows:
            return "No outcomes are recorded. 'churnkit outcomes import FILE' takes them in."
        view = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("customer", "churned", "of", "known", "source"):
            view.add_column(name)
        for _, _, row in self.rows:
            view.add_row(
                escape_text(row.customer_id),
                {True: "yes", False: "no", None: "no label"}[row.churned],
                _speaks_of(row),
                "" if row.known_at is None else f"{row.known_at:%Y-%m-%d %H:%M}",
                escape_text(row.source),
            )
        return view

    def to_json(self) -> dict[str, object]:
        return {
            "outcomes": [
                {"outcome_id": name, "recorded_at": at.isoformat(), **shown_outcome(row)}
                for at, name, row in self.rows
            ]
        }


def import_outcomes(
    project: Project,
    data: str | Path | None = None,
    *,
    from_log: bool = False,
    query: str = "",
    as_of: AsOf | None = None,
    until: AsOf | None = None,
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> RowsImported:
    """Take outcomes in; what is recorded already is not recorded twice.

    Parameters
    ----------
    data : a file (CSV, Parquet, Excel), a folder, a pattern, or a database URL
    from_log : in a project of events: derive them by the churn definition from the log, for all
        predictions that have matured
    query : SQL, for a database URL
    as_of : the date of the predictions that all rows belong to, where no column says it
    until : until when customers without a day of leaving were watched, where no column says it
    now : the present

    Raises
    ------
    DataError : the source cannot be read, lacks a column, or has too many broken rows
    SettingsInvalid : neither a source nor the log was named, or there is no log
    """
    now = now or datetime.now(UTC)
    if from_log == (data is not None):
        raise SettingsInvalid(
            "outcomes come either from a source or from the log.",
            fix="Name a file or a database URL, or say --from-log.",
        )
    if data is None:
        return outcomes_from_log(project, now=now, progress=progress, cancel=cancel)
    settings, zone = project.settings, project.settings.project.zone
    source = Path(str(data)).name if "://" not in str(data) else str(data).partition("://")[0]

    def reader(names: Sequence[str], file: str) -> OutcomeReader:
        return OutcomeReader(
            settings.outcomes,
            settings.columns,
            names,
            file=file,
            source=source,
            zone=zone,
            as_of=_moment(as_of, zone),
            until=_moment(until, zone),
        )

    kind = RowKind[Outcome](
        name="outcomes",
        max_broken_share=settings.outcomes.max_broken_share,
        make_reader=reader,
        check=lambda rows: check_outcomes(rows, label_spans(project), now=now),
        record=lambda rows: table.record_outcomes(
            project.ledger.engine, rows, now=now, erased=erased_within(project)
        ),
        shown=shown_outcome,
    )
    return import_rows(project, data, kind, query=query, progress=progress, cancel=cancel)


def take_outcomes(
    project: Project, rows: Sequence[Outcome], *, now: datetime, skip: bool
) -> tuple[Recorded, tuple[Unusable, ...], int]:
    """Take in the outcomes that a program hands over.

    Parameters
    ----------
    skip : record the others where one cannot be taken in; else none is recorded then

    Returns
    -------
    recorded, unusable, n_suppressed : the last counts rows of erased customers
    """
    suppressed = suppressed_in(project)
    erased = set() if suppressed is None else suppressed(row.customer_id for row in rows)
    asked = [i for i, row in enumerate(rows) if row.customer_id not in erased]
    bad = [
        replace(found, place=asked[found.place])
        for found in check_outcomes([rows[i] for i in asked], label_spans(project), now=now)
    ]
    if bad and not skip:
        return Recorded(), tuple(bad), 0
    unusable = {found.place for found in bad}
    used = [i for i in asked if i not in unusable]
    recorded = table.record_outcomes(
        project.ledger.engine,
        [rows[i] for i in used],
        now=now,
        strict=not skip,
        erased=erased_within(project),
    )
    places = tuple(used[place] for place in recorded.contradictory)
    recorded = recorded.model_copy(update={"contradictory": places})
    return recorded, tuple(bad), len(rows) - len(asked)


def check_outcomes(rows: Sequence[Outcome], spans: LabelSpans, *, now: datetime) -> list[Unusable]:
    """What cannot be true: known in the future, or before it could be known.

    That a customer stayed is known at the end of the window and not before; a file that says so
    earlier takes everybody who has not left yet for one who stays. In a project of events without
    contracts it is the other way round: activity is seen early, and its absence at the end.
    """
    early, said = spans.known_last, "yes" if spans.known_last else "no"
    windows = sorted({to_us(row.as_of) for row in rows if row.as_of is not None})
    closes = spans.windows(np.array(windows, dtype=np.int64)).closes_us.tolist()
    ends = dict(zip(windows, closes, strict=True))
    now_us = moment_us(now, "UTC")
    found: list[Unusable] = []
    for place, row in enumerate(rows):
        known = now_us if row.known_at is None else to_us(row.known_at)
        if known > now_us:
            found.append(Unusable(place, "known_at", "lies in the future"))
        elif row.churned_at is not None and to_us(row.churned_at) > known:
            found.append(Unusable(place, "churned_at", "is later than it was known"))
        elif row.observed_to is not None and to_us(row.observed_to) > known:
            found.append(Unusable(place, "observed_to", "is later than it was known"))
        elif row.as_of is not None and row.churned is early and ends[to_us(row.as_of)] > known:
            end = from_us(ends[to_us(row.as_of)])
            found.append(
                Unusable(
                    place, "churned", f"cannot be '{said}' before the window ends ({end:%Y-%m-%d})"
                )
            )
        elif row.as_of is not None and row.churned and to_us(row.as_of) > known:
            found.append(Unusable(place, "as_of", "is later than it was known"))
    return found


def outcome_status(project: Project, *, now: datetime | None = None) -> OutcomeStatus:
    """How far outcomes got: matured, missing, corrected."""
    now = now or datetime.now(UTC)
    cohorts, n_waiting = cohorts_of(project, now=now)
    n_outcomes, n_corrected = table.count_outcomes(project.ledger.engine)
    return OutcomeStatus(
        now=now,
        cohorts=cohorts,
        complete_share=project.settings.outcomes.complete_share,
        days_to_mature=label_spans(project).days_to_mature,
        n_outcomes=n_outcomes,
        n_corrected=n_corrected,
        n_waiting=n_waiting,
    )


def show_outcomes(
    project: Project,
    customer_id: str | None = None,
    *,
    limit: int = 100,
    after: tuple[datetime, str] | None = None,
) -> Outcomes:
    """Recorded outcomes, the last recorded first.

    Parameters
    ----------
    after : the moment and id of the last row that was seen
    """
    rows = table.outcomes_page(
        project.ledger.engine, customer_id=customer_id, after=after, limit=limit
    )
    return Outcomes(tuple(rows))


def shown_outcome(row: Outcome) -> dict[str, object]:
    """An outcome as plain data."""
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in asdict(row).items()
    }


def _moment(text: AsOf | None, zone: str) -> datetime | None:
    return parse_as_of(text, zone) if isinstance(text, str) else text


def _speaks_of(row: Outcome) -> str:
    if row.as_of is not None:
        return f"as of {row.as_of:%Y-%m-%d %H:%M}"
    if row.churned_at is not None:
        return f"left {row.churned_at:%Y-%m-%d %H:%M}"
    return "" if row.observed_to is None else f"watched until {row.observed_to:%Y-%m-%d}"
