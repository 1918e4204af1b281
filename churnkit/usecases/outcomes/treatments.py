"""Who got which offer, and with which probability: taken in from a file, a query or a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table

from churnkit.data.outcome_batches import TreatmentReader
from churnkit.domain.outcomes import Recorded, Treatment
from churnkit.domain.progress import Cancel, Progress, silent
from churnkit.ledger import outcomes as table
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.outcomes.row_import import RowKind, RowsImported, Unusable, import_rows
from churnkit.usecases.outcomes.weighing import violated
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import erased_within, suppressed_in


@dataclass(frozen=True, repr=False)
class Treatments(Result):
    """Recorded treatments, the latest first."""

    rows: tuple[Treatment, ...]

    def __rich__(self) -> RenderableType:
        if not self.rows:
            return "No treatments are recorded. 'churnkit treatments import FILE' takes them in."
        view = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("customer", "at", "offer", "campaign", "drawn with", "treated"):
            view.add_column(name)
        for row in self.rows:
            drawn = row.assignment_probability
            view.add_row(
                escape_text(row.customer_id),
                f"{row.at:%Y-%m-%d %H:%M}",
                escape_text(row.offer),
                escape_text(row.campaign),
                "" if drawn is None else f"{drawn:.3g}",
                "no (hold-out)" if row.hold_out else "yes",
            )
        return view

    def to_json(self) -> dict[str, object]:
        return {"treatments": [shown_treatment(row) for row in self.rows]}


def import_treatments(
    project: Project,
    data: str | Path,
    *,
    query: str = "",
    now: datetime | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> RowsImported:
    """Take treatments in; what is recorded already is not recorded twice.

    Members of a hold-out that were treated all the same are counted in the notes.

    Parameters
    ----------
    data : a file (CSV, Parquet, Excel), a folder, a pattern, or a database URL
    query : SQL, for a database URL

    Raises
    ------
    DataError : the source cannot be read, lacks a column, or has too many broken rows
    """
    now = now or datetime.now(UTC)
    settings = project.settings
    source = Path(str(data)).name if "://" not in str(data) else str(data).partition("://")[0]
    against: list[Treatment] = []

    def record(rows: Sequence[Treatment]) -> Recorded:
        against.extend(_violations(project, rows))
        return table.record_treatments(
            project.ledger.engine, rows, now=now, erased=erased_within(project)
        )

    kind = RowKind[Treatment](
        name="treatments",
        max_broken_share=settings.treatments.max_broken_share,
        make_reader=lambda names, file: TreatmentReader(
            settings.treatments,
            settings.columns,
            names,
            file=file,
            source=source,
            zone=settings.project.zone,
        ),
        check=lambda rows: check_treatments(rows, now=now),
        record=record,
        shown=shown_treatment,
    )
    done = import_rows(project, data, kind, query=query, progress=progress, cancel=cancel)
    if not against:
        return done
    note = (
        f"{len(against):,} of these treatments went to members of a hold-out, who should have got "
        "none: 'churnkit holdout show' names them."
    )
    return replace(done, notes=(note,))


def take_treatments(
    project: Project, rows: Sequence[Treatment], *, now: datetime, skip: bool
) -> tuple[Recorded, tuple[Unusable, ...], int, int]:
    """Take in the treatments that a program hands over.

    Parameters
    ----------
    skip : record the others where one cannot be taken in; else none is recorded then

    Returns
    -------
    recorded, unusable, n_suppressed, n_violations : the last two count rows of erased customers,
        and of members of a hold-out
    """
    suppressed = suppressed_in(project)
    erased = set() if suppressed is None else suppressed(row.customer_id for row in rows)
    asked = [i for i, row in enumerate(rows) if row.customer_id not in erased]
    bad = [
        replace(found, place=asked[found.place])
        for found in check_treatments([rows[i] for i in asked], now=now)
    ]
    if bad and not skip:
        return Recorded(), tuple(bad), 0, 0
    unusable = {found.place for found in bad}
    used = [i for i in asked if i not in unusable]
    chosen = [rows[i] for i in used]
    n_violations = len(_violations(project, chosen))
    recorded = table.record_treatments(
        project.ledger.engine, chosen, now=now, strict=not skip, erased=erased_within(project)
    )
    places = tuple(used[place] for place in recorded.contradictory)
    recorded = recorded.model_copy(update={"contradictory": places})
    return recorded, tuple(bad), len(rows) - len(asked), n_violations


def check_treatments(rows: Sequence[Treatment], *, now: datetime) -> list[Unusable]:
    """What cannot be true: treated in the future, or certainly not treated and treated."""
    found: list[Unusable] = []
    for place, row in enumerate(rows):
        if row.at > now:
            found.append(Unusable(place, "at", "lies in the future"))
        elif row.assignment_probability == 0 and not row.hold_out:
            found.append(
                Unusable(place, "assignment_probability", "is 0, and the customer was treated")
            )
        elif row.assignment_probability == 1 and row.hold_out:
            found.append(
                Unusable(place, "assignment_probability", "is 1, and the customer was held out")
            )
    return found


def show_treatments(
    project: Project,
    customer_id: str | None = None,
    *,
    campaign: str | None = None,
    limit: int = 100,
    after: tuple[datetime, str] | None = None,
) -> Treatments:
    """Recorded treatments, the latest first.

    Parameters
    ----------
    after : the moment and id of the last row that was seen
    """
    rows = table.treatments_page(
        project.ledger.engine,
        customer_id=customer_id,
        campaign=campaign,
        after=after,
        limit=limit,
    )
    return Treatments(tuple(rows))


def shown_treatment(row: Treatment) -> dict[str, object]:
    """A treatment as plain data."""
    return {**asdict(row), "at": row.at.isoformat()}


def _violations(project: Project, rows: Sequence[Treatment]) -> list[Treatment]:
    holdouts = table.read_holdouts(project.ledger.engine)
    return [row for row in rows if any(violated(holdout, row) for holdout in holdouts)]
