"""Requests for data sets, features, trainings and reports."""

from __future__ import annotations

from typing import Any, Literal

from churnkit.client.call import Call, new_key
from churnkit.client.calls.jobs import DATASETS, FEATURES, REPORTS, TRAININGS
from churnkit.client.files import File, Upload, rereadable, type_of
from churnkit.client.messages.datasets import Dataset, DatasetProfile
from churnkit.client.messages.features import FeatureJob, FeaturesRequest
from churnkit.client.messages.reports import Report, ReportRequest
from churnkit.client.messages.trainings import Training, TrainingRequest


def upload_dataset(
    file: File,
    *,
    format: Literal["csv", "parquet"] | None = None,
    idempotency_key: str | None = None,
    **told: Any,
) -> Upload[Dataset]:
    """Upload a file to learn from.

    Parameters
    ----------
    file : a path, or the bytes piece by piece
    format : csv or parquet; None: the path's ending says it
    told : what churnkit need not guess; see ``messages.datasets.DatasetQuery``
    """
    query = {name: str(value) for name, value in told.items() if value is not None}
    return Upload(
        "POST",
        DATASETS.path,
        Dataset,
        query=query,
        idempotency_key=idempotency_key or new_key(),
        content_type=type_of(file, format),
        file=rereadable(file),
    )


def profile(dataset_id: str) -> Call[DatasetProfile]:
    """A table in figures."""
    return Call("GET", DATASETS.at(dataset_id, "/profile"), DatasetProfile)


def work_on_features(
    dataset_id: str, *, idempotency_key: str | None = None, **asked: Any
) -> Call[FeatureJob]:
    """Suggest, build or show features; see ``messages.features.FeaturesRequest``."""
    body = FeaturesRequest(dataset_id=dataset_id, **asked)
    return Call(
        "POST", FEATURES.path, FeatureJob, body=body, idempotency_key=idempotency_key or new_key()
    )


def train(dataset_id: str, *, idempotency_key: str | None = None, **asked: Any) -> Call[Training]:
    """Train a model; see ``messages.trainings.TrainingRequest``."""
    body = TrainingRequest(dataset_id=dataset_id, **asked)
    return Call(
        "POST", TRAININGS.path, Training, body=body, idempotency_key=idempotency_key or new_key()
    )


def report(version: str | None = None, *, idempotency_key: str | None = None) -> Call[Report]:
    """Write a report; None: of the champion."""
    body = ReportRequest(version=version)
    return Call(
        "POST", REPORTS.path, Report, body=body, idempotency_key=idempotency_key or new_key()
    )
