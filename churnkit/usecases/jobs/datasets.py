"""Look at an uploaded data set, and work on features of an uploaded log, as jobs."""

from __future__ import annotations

from itertools import chain
from typing import Any, Literal

from churnkit.domain.frozen import Frozen
from churnkit.domain.jobs import BUILT, DEFINITION, PROFILE
from churnkit.errors import AsOfInvalid, FeatureError
from churnkit.features.toml import read_features
from churnkit.project import Project
from churnkit.usecases.features.building import build_features
from churnkit.usecases.features.feature_set import list_features, suggest_features
from churnkit.usecases.features.showing import show_features
from churnkit.usecases.jobs.projects import find_dataset, make_project
from churnkit.usecases.jobs.work import Outcome, Work, bytes_parts, file_parts
from churnkit.usecases.projects.create_events import LogCreated
from churnkit.usecases.projects.profiling import profile


class FeaturesRequest(Frozen):
    """What to do with the features of a log.

    ``definition`` is a features.toml; None: what churnkit suggests.
    """

    dataset_id: str
    action: Literal["suggest", "build", "show"] = "suggest"
    definition: str | None = None
    as_of: tuple[str, ...] = ()
    customer_id: str = ""
    names: tuple[str, ...] = ()
    format: Literal["csv", "parquet"] = "parquet"


def look_at_dataset(work: Work) -> Outcome:
    """Guess the roles of a data set's columns, profile it, and look for leaks.

    Raises
    ------
    DataError : the file cannot be used, or it is not clear what its columns are for
    """
    made = make_project(work, work.job)
    work.look()
    told = made.to_json()
    told.pop("folder")
    with made.project as project:
        if isinstance(made, LogCreated):
            work.look()
            features = suggest_features(project)
            return Outcome(
                {
                    "kind": "events",
                    "n_rows": made.imported.log.n_events,
                    "guesses": told["guesses"],
                    "imported": made.imported.model_dump(
                        mode="json",
                        # These name files of this machine.
                        exclude={"tables": {"__all__": {"rejected_file", "first_rejected"}}},
                    ),
                    "n_features": len(features.features.features),
                },
                drop=(),
            )
        seen = profile(project, progress=work.progress, cancel=work.cancel)
    return Outcome(
        {
            "kind": "table",
            "n_rows": made.table.n_rows,
            "fingerprint": made.table.fingerprint,
            "roles": told["roles"],
            "churn_rate": seen.profile.rate,
            "leaks": [leak.model_dump(mode="json") for leak in seen.profile.leaks],
        },
        parts=bytes_parts(PROFILE, seen.profile.model_dump_json().encode()),
        drop=(),  # models are trained on it
    )


def work_on_features(work: Work) -> Outcome:
    """Suggest, build or show the features of a log.

    Raises
    ------
    FeatureError, AsOfInvalid : the data set is no log; a feature or a moment cannot be used
    """
    asked = FeaturesRequest.model_validate(work.job.request)
    made = make_project(work, find_dataset(work, asked.dataset_id))
    if not isinstance(made, LogCreated):
        raise FeatureError(
            "the data set is a table of customers, which has its features already.",
            fix="Upload a log of events.",
        )
    work.look()
    with made.project as project:
        _define(project, asked.definition)
        result: dict[str, Any] = list_features(project).to_json()
        definition = bytes_parts(DEFINITION, project.features_file.read_bytes())
        if asked.action == "suggest":
            return Outcome(result, parts=definition)
        if not asked.as_of:
            raise AsOfInvalid("no moment is given to look from.", fix="Give 'as_of'.")
        if asked.action == "show":
            shown = show_features(project, asked.customer_id, asked.as_of[0], names=asked.names)
            return Outcome({**result, "shown": shown.to_json()}, parts=definition)
        path = work.folder / f"built.{asked.format}"
        built = build_features(
            project, asked.as_of, path, progress=work.progress, cancel=work.cancel
        )
    told = built.to_json()
    told.pop("output")
    return Outcome({**result, "built": told}, parts=chain(definition, file_parts(BUILT, path)))


def _define(project: Project, definition: str | None) -> None:
    if definition is None:
        suggest_features(project)
        return
    project.features_file.write_text(definition, encoding="utf-8")
    read_features(project.features_file)
