"""Draw customers into the arms of an experiment of treatments, and write down who got which."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from churnkit.data.sources import open_source
from churnkit.data.writing import open_writer
from churnkit.domain.experiments import ExperimentEntry, ExperimentRow
from churnkit.domain.outcomes import Treatment, treatment_name
from churnkit.errors import ColumnMissing, ExperimentOver, StepNotAllowed, did_you_mean
from churnkit.ledger.experiments import (
    ENTRY_LOCK,
    add_entries,
    append_step,
    entered_others,
    entries_of,
    last_scores,
)
from churnkit.ledger.outcomes import record_treatments
from churnkit.project import Project
from churnkit.usecases.experiments.entries import drawn
from churnkit.usecases.experiments.steps import experiment_step
from churnkit.usecases.experiments.verbs import find_experiment
from churnkit.usecases.experiments.views import Assigned
from churnkit.usecases.outcomes.holdouts import held_out
from churnkit.usecases.suppressing import erased_within


def assign_experiment(
    project: Project,
    experiment_id: str | None,
    customers: Iterable[str] | Path | str,
    *,
    output: Path | str | None = None,
    query: str = "",
    who: str | None = None,
    now: datetime | None = None,
) -> Assigned:
    """Draw customers into the arms; who is in the experiment already keeps his arm.

    What each customer is to get is recorded as a treatment with its probability, under the
    experiment's name as campaign. Members of a hold-out, erased customers and those of another
    experiment that runs are not drawn.

    Parameters
    ----------
    customers : their ids, or a file or database URL with the project's id column or customer_id
    output : a .csv or .parquet file of who is in which arm, with the offer
    query : SQL, for a database URL

    Raises
    ------
    UnknownExperiment, ExperimentOver : there is no such experiment that goes on
    StepNotAllowed : it is one of models, which customers enter by being scored
    DataError : the customers, or the output, cannot be read or written
    """
    at = now or datetime.now(UTC)
    row = find_experiment(project, experiment_id)
    if row.kind != "treatments":
        raise StepNotAllowed(
            f"customers enter {row.experiment_id} with their first request.",
            fix="Only experiments of treatments draw customers from a list.",
        )
    if row.stopped_at is not None:
        raise ExperimentOver(
            f"{row.experiment_id} was stopped on {row.stopped_at:%Y-%m-%d}.",
            fix="Start a new experiment.",
            experiment=row.experiment_id,
        )
    asked = list(dict.fromkeys(_read(project, customers, query)))
    erasures = erased_within(project)
    kept_off = held_out(project, asked, campaign=row.experiment_id, now=at)
    with project.ledger.writing(lock=ENTRY_LOCK) as connection:
        erased = erasures(connection, asked)
        known = {one.customer_id for one in entries_of(connection, asked, row.experiment_id)}
        others = entered_others(connection, asked, row.experiment_id) - known
        new = [
            name
            for name in asked
            if name not in known and name not in erased and name not in kept_off - known
            if name not in others
        ]
        scores = last_scores(connection, new, at)
        entries = drawn(row, new, scores, at)
        add_entries(connection, entries, erased=erasures)
        members = entries_of(connection, asked, row.experiment_id)
        counts = Counter(one.arm for one in entries)
        shown = {arm: counts.get(arm, 0) for arm, _ in row.planned.weights}
        if entries:
            append_step(
                connection,
                experiment_step(
                    row,
                    "assign",
                    at,
                    who,
                    f"{len(entries):,} customers entered",
                    {"n": len(entries), "counts": shown},
                ),
            )
        # The file is complete before the ledger commits: nobody is drawn without it.
        path = None if output is None else Path(output).expanduser()
        if path is not None:
            _write(path, row, members)
    # Told again for all who were asked about: what a dead process left out comes in now.
    record_treatments(
        project.ledger.engine,
        [_treatment(row, one) for one in members],
        now=at,
        erased=erasures,
    )
    return Assigned(
        experiment_id=row.experiment_id,
        n=len(asked),
        n_new=len(entries),
        counts=shown,
        n_known=len(known),
        n_elsewhere=len(others),
        n_held_out=len(kept_off - known - others),
        n_erased=len(erased),
        n_scored=len(scores),
        entries=members,
        output=path,
    )


def _read(project: Project, customers: Iterable[str] | Path | str, query: str) -> Iterable[str]:
    if not isinstance(customers, Path | str):
        return [name for name in customers if name]
    source = open_source(customers, query=query)
    names = source.columns()
    wanted = [project.settings.columns.id, "customer_id"]
    column = next((name for name in wanted if name and name in names), None)
    if column is None:
        raise ColumnMissing(
            "no column names the customers.",
            fix=did_you_mean("customer_id", names) or "Call it customer_id.",
            file=source.name,
        )
    place = names.index(column)
    found: list[str] = []
    for batch in source.batches():
        found += [text for text in batch.column(place).cast(pa.string()).to_pylist() if text]
    return found


def _treatment(row: ExperimentRow, entry: ExperimentEntry) -> Treatment:
    """The draw as the register of treatments knows it: with the probability of being treated."""
    plan = row.planned
    offer = plan.arm(entry.arm).offer
    treated = math.fsum(arm.weight for arm in plan.arms if arm.offer)
    return Treatment(
        treatment_id=treatment_name(entry.customer_id, entry.entered_at, offer, row.experiment_id),
        customer_id=entry.customer_id,
        at=entry.entered_at,
        offer=offer,
        campaign=row.experiment_id,
        source="experiment",
        assignment_probability=min(treated, 1.0),
        hold_out=not offer,
    )


def _write(path: Path, row: ExperimentRow, members: Sequence[ExperimentEntry]) -> None:
    plan = row.planned
    table = pa.table(
        {
            "customer_id": pa.array([one.customer_id for one in members], pa.string()),
            "arm": pa.array([one.arm for one in members], pa.string()),
            "offer": pa.array([plan.arm(one.arm).offer for one in members], pa.string()),
            "probability": pa.array([one.probability for one in members], pa.float64()),
            "entered_at": pa.array([one.entered_at.isoformat() for one in members], pa.string()),
        }
    )
    with open_writer(path) as writer:
        writer.write(table)
