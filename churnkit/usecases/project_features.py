"""The FeatureSet of a project of events."""

from __future__ import annotations

from churnkit.domain.events import LogSchema
from churnkit.features.checking import check_features
from churnkit.features.definitions import FeatureSet
from churnkit.features.toml import read_features
from churnkit.project import Project


def project_features(project: Project, log: LogSchema) -> FeatureSet:
    """What features.toml says, checked against the log.

    Raises
    ------
    FeatureError : there is no such file, or it does not fit the log
    """
    features = read_features(project.features_file)
    check_features(features, log, file=project.features_file)
    return features
