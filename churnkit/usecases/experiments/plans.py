"""An experiment's plan from what a person asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from churnkit.domain.experiments import ExperimentPlan
from churnkit.errors import PlanInvalid
from churnkit.usecases.plan_files import read_plan_file

_FIX = "A plan is a TOML file with [[arms]], each with name, weight, and offer or model."
AskedPlan = ExperimentPlan | Mapping[str, Any] | Path | str


def read_experiment_plan(asked: AskedPlan) -> ExperimentPlan:
    """A plan from plain data, or from a TOML file that holds it.

    Raises
    ------
    PlanInvalid : it names the first place that cannot be used
    """
    if isinstance(asked, ExperimentPlan):
        return asked
    values = read_plan_file(asked, fix=_FIX) if isinstance(asked, Path | str) else dict(asked)
    try:
        return ExperimentPlan.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise PlanInvalid(
            f"{what[:1].lower()}{what[1:]}.",
            fix="Correct the plan; an experiment keeps the plan that it was started with. "
            f"It has: {', '.join(ExperimentPlan.model_fields)}.",
            key=place or None,
        ) from error
