"""Model versions and their figures as rows of their tables."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from churnkit.domain.evaluation import Estimate
from churnkit.domain.models import ModelVersion
from churnkit.ledger.tables import metrics, model_versions


def insert_version(connection: sa.Connection, version: ModelVersion, at: datetime) -> None:
    """Add a version and its figures, which are dated ``at``."""
    number = int(version.version.removeprefix("v"))
    values = version.model_dump(exclude={"metrics"})
    connection.execute(sa.insert(model_versions), {**values, "number": number})
    rows = [
        {"model_version": version.version, "name": name, "at": at, **estimate.model_dump()}
        for name, estimate in version.metrics.items()
    ]
    if rows:
        connection.execute(sa.insert(metrics), rows)


def read_versions(connection: sa.Connection) -> tuple[ModelVersion, ...]:
    """All versions with the figures they were admitted with, in the order of their numbers."""
    query = sa.select(model_versions).order_by(model_versions.c.number)
    rows = connection.execute(query).mappings().all()
    first = _first_metrics(connection)
    return tuple(_version(row, first.get(row["version"], {})) for row in rows)


def version_names(connection: sa.Connection) -> tuple[str, ...]:
    """Their names, in the order of their numbers."""
    query = sa.select(model_versions.c.version).order_by(model_versions.c.number)
    return tuple(connection.execute(query).scalars())


def _first_metrics(connection: sa.Connection) -> dict[str, dict[str, Estimate]]:
    """The figures with which each version was admitted."""
    found: dict[str, dict[str, Estimate]] = {}
    for row in connection.execute(sa.select(metrics).order_by(metrics.c.at)).mappings():
        estimate = Estimate(value=row["value"], low=row["low"], high=row["high"])
        found.setdefault(row["model_version"], {}).setdefault(row["name"], estimate)
    return found


def _version(row: sa.RowMapping, figures: dict[str, Estimate]) -> ModelVersion:
    values = {name: value for name, value in row.items() if name != "number"}
    return ModelVersion(**values, metrics=figures)
