"""What a candidate model is, and how all of them are found.

To add one, put a module with a constant ``CANDIDATE`` into ``churnkit/training/candidates/``;
its name can then stand in ``[training] candidates``. Nothing else needs to change.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from sklearn.pipeline import Pipeline

from churnkit.domain.columns import ModelSchema
from churnkit.errors import SettingsInvalid, did_you_mean
from churnkit.settings.file import FILE_NAME
from churnkit.training import candidates

Params = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A family of models that the search may try.

    Parameters
    ----------
    name : how churnkit.toml calls it
    title : how people call it
    kind : ``trees`` reads the encoded columns as they are (NaN for missing), with at most a step
        ``impute`` in front of ``classifier``; ``linear`` has the steps ``prepare``, ``classifier``
    defaults : the parameters that are tried first; plain JSON values
    suggest : draws parameters from the space; a function of the generator alone
    build : makes the unfitted steps that come after ``encode`` from parameters, the schema and
        a seed
    rounds : the parameter that counts boosting rounds, if there is one: a model of few rounds
        is the beginning of one of many, so one fit shows how many are best
    draws : how many choices are drawn in a turn; more than one for what is fitted in no time
    """

    name: str
    title: str
    kind: Literal["trees", "linear"]
    defaults: Mapping[str, Any]
    suggest: Callable[[np.random.Generator], Params]
    build: Callable[[Mapping[str, Any], ModelSchema, int], Pipeline]
    rounds: str = ""
    draws: int = 1


@cache
def all_candidates() -> Mapping[str, Candidate]:
    """Every candidate there is, by name, in alphabetical order."""
    found: dict[str, Candidate] = {}
    for module in sorted(pkgutil.iter_modules(candidates.__path__), key=lambda m: m.name):
        candidate = importlib.import_module(f"{candidates.__name__}.{module.name}").CANDIDATE
        found[candidate.name] = candidate
    return found


def find_candidates(names: Iterable[str]) -> tuple[Candidate, ...]:
    """The candidates of these names, in this order, each once.

    Raises
    ------
    SettingsInvalid : a name is not known, or there is none at all
    """
    known = all_candidates()
    wanted = tuple(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise SettingsInvalid(
                f"there is no candidate model '{name}'.",
                fix=did_you_mean(name, known),
                file=FILE_NAME,
                field="training.candidates",
            )
    if not wanted:
        raise SettingsInvalid(
            "no candidate model is named.",
            fix=f"Name at least one of: {', '.join(known)}.",
            file=FILE_NAME,
            field="training.candidates",
        )
    return tuple(known[name] for name in wanted)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between low and high, uniform in its logarithm; three digits are kept."""
    return float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.3g}")
