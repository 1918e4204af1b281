"""Change a project's features from plain definitions, as an editor of them does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from churnkit.data.event_reading import read_log_schema
from churnkit.domain.events import LogSchema
from churnkit.errors import FeatureError
from churnkit.features.checking import check_features
from churnkit.features.toml import features_from_tables, read_features, write_features
from churnkit.project import Project
from churnkit.usecases.features.feature_set import FeatureList


def read_log(project: Project) -> LogSchema:
    """What the imported log holds, for who writes definitions.

    Raises
    ------
    DataEmpty : no events were imported
    """
    return read_log_schema(project.database)


def check_definitions(project: Project, features: Sequence[Mapping[str, Any]]) -> FeatureList:
    """Check definitions against the log; nothing is written.

    Raises
    ------
    DataEmpty : no events were imported
    FeatureError : a definition cannot be used
    """
    schema = read_log_schema(project.database)
    chosen = features_from_tables(features)
    check_features(chosen, schema)
    return FeatureList(chosen, schema, f"{len(chosen.features)} features can be used.")


def set_features(
    project: Project,
    features: Sequence[Mapping[str, Any]],
    *,
    expected_hash: str | None = None,
) -> FeatureList:
    """Check definitions against the log, and write them to features.toml in one step.

    Models keep the features that they were trained with; the next training uses these.

    Parameters
    ----------
    features : one mapping each, with the keys of features.toml
    expected_hash : refuse where features.toml holds another set than the one with this content
        hash ("" for none): somebody else has changed it

    Raises
    ------
    DataEmpty : no events were imported
    FeatureError : a definition cannot be used, or somebody else changed the file
    FolderReadOnly, DiskFull : it cannot be written; an earlier one is unchanged
    """
    checked = check_definitions(project, features)
    chosen, path = checked.features, project.features_file
    with project.lease("changing the features"):
        there = read_features(path).content_hash() if path.exists() else ""
        if there != chosen.content_hash():
            if expected_hash is not None and there != expected_hash:
                raise FeatureError(
                    "features.toml was changed meanwhile, in another window or by hand.",
                    fix="Read it again, then make your changes once more.",
                    file=path,
                )
            write_features(path, chosen, replace=True)
    head = f"{len(chosen.features)} features are in {path}."
    return FeatureList(chosen, checked.schema, head)
