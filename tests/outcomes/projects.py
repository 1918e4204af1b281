"""Projects with a ledger and nothing else, and what is in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from churnkit.domain.predictions import PredictionRow
from churnkit.project import Project
from churnkit.settings.file import write_settings
from churnkit.settings.whole import Settings

DAY = timedelta(days=1)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


def bare_project(folder: Path, ledger_url: str = "", **tables: object) -> Project:
    """A snapshot project of which only the settings are there; the horizon is 30 days."""
    content: dict[str, object] = {
        "project": {"name": "bare", "zone": "UTC"},
        "data": {"source": "customers.csv"},
        "columns": {"target": "Churn", "positive": "Yes", "id": "customerID"},
        "ledger": {"url": ledger_url},
        "churn": {"horizon_days": 30},
        **tables,
    }
    settings = Settings.model_validate(content)
    folder.mkdir(parents=True, exist_ok=True)
    write_settings(folder, settings)
    return Project(folder, settings)


def prediction(
    name: str, customer: str, at: datetime, probability: float = 0.5, **more: object
) -> PredictionRow:
    """A recorded prediction."""
    return PredictionRow.model_validate(
        {
            "prediction_id": name,
            "customer_id": customer,
            "model_version": "v1",
            "probability": probability,
            "risk_band": "low",
            "made_at": at,
            **more,
        }
    )
