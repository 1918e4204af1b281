"""[ledger], [online], [retention]: what is kept, where and for how long."""

from __future__ import annotations

from pydantic import Field

from churnkit.settings.kinds import Days, Table


class LedgerTable(Table):
    """Where predictions and decisions are kept."""

    url: str = Field("", description="A SQLAlchemy URL; empty: store/ledger.sqlite.")


class OnlineTable(Table):
    """The online state, which events keep up to date."""

    lateness_days: float = Field(
        3.0, ge=0, le=366, description="How many days late an event may be delivered."
    )


class RetentionTable(Table):
    """How many days rows are kept, by table; 0: for ever."""

    predictions: Days = Field(0, description="Counted from when they were made.")
    outcomes: Days = Field(0, description="Counted from when they were recorded.")
    treatments: Days = Field(0, description="Counted from the treatment.")
    experiments: Days = Field(0, description="Who was in which arm, from his entry.")
    rollout_windows: Days = Field(0, description="Requests and latency of rollouts by minute.")
    idempotency: Days = Field(0, description="Answers under idempotency keys.")
    online_state: Days = Field(0, description="Counted from a customer's last event.")
    rejected_files: Days = Field(0, description="Rows that imports set aside.")
    reports: Days = Field(0, description="Reports.")
