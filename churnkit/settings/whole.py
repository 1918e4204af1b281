"""churnkit.toml as a whole: what a person may decide about a project."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from churnkit.settings.alerts import AlertsTable
from churnkit.settings.broker import BrokerTable
from churnkit.settings.churn import ChurnTable
from churnkit.settings.kinds import Table, Zone
from churnkit.settings.ledger import LedgerTable, OnlineTable, RetentionTable
from churnkit.settings.models import RetrainingTable, ServingTable, TrainingTable
from churnkit.settings.money import Money
from churnkit.settings.outcomes import OutcomesTable, TreatmentsTable
from churnkit.settings.rollout import RolloutTable
from churnkit.settings.service import ServiceTable
from churnkit.settings.sources import (
    BUILT_COLUMNS,
    AttributesTable,
    ColumnsTable,
    DataTable,
    EventsTable,
    SubscriptionsTable,
)


class ProjectTable(Table):
    """Who this project is."""

    name: str
    format: Literal[1] = 1
    zone: Zone = Field("UTC", description="The IANA zone in which days begin.")


class Settings(Table):
    """The whole of churnkit.toml."""

    project: ProjectTable
    data: DataTable
    columns: ColumnsTable
    money: Money = Money()
    training: TrainingTable = TrainingTable()
    serving: ServingTable = ServingTable()
    rollout: RolloutTable = RolloutTable()
    ledger: LedgerTable = LedgerTable()
    service: ServiceTable = ServiceTable()
    events: EventsTable | None = None
    attributes: AttributesTable | None = None
    subscriptions: SubscriptionsTable | None = None
    churn: ChurnTable = ChurnTable()
    online: OnlineTable = OnlineTable()
    broker: BrokerTable | None = None
    outcomes: OutcomesTable = OutcomesTable()
    treatments: TreatmentsTable = TreatmentsTable()
    alerts: AlertsTable = AlertsTable()
    retention: RetentionTable = RetentionTable()
    retraining: RetrainingTable = RetrainingTable()

    @model_validator(mode="before")
    @classmethod
    def _of_events(cls, content: Any) -> Any:
        """The table that is built from events has columns that churnkit names."""
        if isinstance(content, dict) and content.get("events") is not None:
            given = content.get("columns", {})
            if isinstance(given, dict):
                given = {**BUILT_COLUMNS, **given}
            return {"data": {}, **content, "columns": given}
        return content

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        if self.events is None:
            if not self.data.source:
                raise ValueError("data.source names no file, and there is no [events] table")
            if self.attributes is not None or self.subscriptions is not None:
                raise ValueError("[attributes] and [subscriptions] need an [events] table")
        if self.churn.kind == "contractual" and self.events and self.subscriptions is None:
            raise ValueError("contractual churn needs a [subscriptions] table")
        return self
