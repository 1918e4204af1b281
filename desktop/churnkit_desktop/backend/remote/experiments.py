"""Experiments of a service, in the same documents as those of a project folder."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from churnkit.client.calls import experiments as calls
from churnkit.client.messages.experiments import MOST_CUSTOMERS, ExperimentAssigned
from churnkit.errors import DataUnreadable
from churnkit.files import whole_file
from churnkit_desktop.backend.experiment_facts import (
    ExperimentFacts,
    ExperimentLine,
    ExperimentPlanFacts,
)
from churnkit_desktop.backend.remote.line import Line
from churnkit_desktop.language import tr


def experiments(line: Line) -> tuple[ExperimentLine, ...]:
    """All of them, the oldest first."""
    told = line.ask(calls.experiments())
    return tuple(ExperimentLine.of(one.model_dump(mode="json")) for one in told.experiments)


def experiment(line: Line, experiment_id: str) -> ExperimentFacts:
    """One of them, with its readings."""
    told, history = line.ask_all(
        calls.experiment(experiment_id), calls.experiment_history(experiment_id)
    )
    steps = [step.model_dump(mode="json") for step in history.steps]
    return ExperimentFacts.of(told.model_dump(mode="json"), steps)


def plan_experiment(line: Line, arguments: Mapping[str, Any]) -> ExperimentPlanFacts:
    """The sizes that these arguments of ``plan_experiment`` give."""
    told = line.ask(calls.plan_experiment(**arguments))
    return ExperimentPlanFacts.of(told.model_dump(mode="json"))


def assign(line: Line, experiment_id: str, customers: str, output: str) -> Mapping[str, Any]:
    """Draw the customers of a file into the arms; who is in which goes into another file.

    Raises
    ------
    DataUnreadable : the file has no column with customers
    """
    n = n_new = 0
    with (
        whole_file(Path(output)) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream)
        writer.writerow(("customer_id", "arm"))
        for names in _parts(Path(customers)):
            told: ExperimentAssigned = line.ask(
                calls.assign_experiment(experiment_id, names), keep=True
            )
            n, n_new = n + told.n, n_new + told.n_new
            writer.writerows((one.customer_id, one.arm) for one in told.entries)
    return {"experiment_id": experiment_id, "n": n, "n_new": n_new, "output": output}


def _parts(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            names = rows.fieldnames or ()
            column = next((n for n in names if n.lower() in ("customer_id", "customerid")), None)
            if column is None:
                raise DataUnreadable(
                    tr("there is no column 'customer_id'."),
                    fix=tr("Name the column of the customers so, in a CSV file."),
                    file=path,
                )
            part: list[str] = []
            for row in rows:
                part.append(row[column])
                if len(part) == MOST_CUSTOMERS:
                    yield part
                    part = []
            if part:
                yield part
    except (OSError, UnicodeDecodeError) as error:
        raise DataUnreadable(
            tr("the file of customers cannot be read."), fix=tr("Give a CSV file."), file=path
        ) from error
