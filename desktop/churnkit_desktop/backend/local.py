"""A project folder, in this process: reads here, long work in child processes."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import churnkit
from churnkit.domain.predictions import Explanation
from churnkit.errors import ChurnkitError
from churnkit.project import open_project
from churnkit.usecases.operating.online import example_item
from churnkit.usecases.projects.importing import n_customers
from churnkit_desktop.actions import Action
from churnkit_desktop.backend import (
    local_experiments,
    local_features,
    local_monitor,
    local_rollouts,
)
from churnkit_desktop.backend.experiment_facts import (
    ExperimentFacts,
    ExperimentLine,
    ExperimentPlanFacts,
)
from churnkit_desktop.backend.facts import (
    Answer,
    CustomerDetail,
    CustomerQuery,
    CustomerView,
    DataFacts,
    Floats,
    FormField,
    ModelDetail,
    ModelList,
    Money,
    Overview,
    RiskyCustomer,
)
from churnkit_desktop.backend.feature_facts import (
    Definition,
    FeatureFacts,
    FeatureLine,
    FeatureValues,
    Timeline,
)
from churnkit_desktop.backend.monitor_facts import MonitorFacts
from churnkit_desktop.backend.needs import needs
from churnkit_desktop.backend.rollout_facts import PlanFacts, RolloutFacts, RolloutLine
from churnkit_desktop.backend.score_table import ScoreTable
from churnkit_desktop.language import tr

RISKIEST = 8
RECENT = 5


class LocalBackend:
    """A project folder.

    Parameters
    ----------
    folder : holds churnkit.toml

    Raises
    ------
    ProjectNotFound, SettingsInvalid : the folder cannot be opened
    """

    def __init__(self, folder: Path | str) -> None:
        self._project = open_project(folder)
        self.place = str(self._project.folder)
        self.title = self._project.settings.project.name
        self._scores = ScoreTable(self.scores_file)
        # Models and their journal are read by several threads; one at a time is quick enough.
        self._lock = threading.RLock()

    scores_a_file = False
    live = None

    @property
    def scores_file(self) -> Path:
        """Where the console keeps the latest scores."""
        return self._project.store / "latest-scores.parquet"

    @property
    def has_events(self) -> bool:
        """Whether features are computed from a log of events."""
        return self._project.settings.events is not None

    def why_not(self, screen: str) -> str:
        """What only a service, or only a log of events, can show."""
        if screen == "features" and not self.has_events:
            return tr(
                "This project has one row per customer, so there are no events to "
                "compute features from. Import a log of events to use this screen."
            )
        return ""

    def overview(self) -> Overview:
        """See :class:`churnkit_desktop.backend.protocol.Backend`."""
        models = self.models()
        known = {version.version: version for version in models.versions}
        settings = self._project.settings
        riskiest: tuple[RiskyCustomer, ...] = ()
        bands: dict[str, int] = {}
        n_scored = 0
        version = ""
        if self._scores.there:
            view = self._scores.view(CustomerQuery())
            n_scored, bands, version = view.n_rows, self._scores.bands(), view.model_version
            rows = (
                dict(zip(view.columns, row, strict=True))
                for row in self._scores.page(view.name, 0, RISKIEST)
            )
            riskiest = tuple(
                RiskyCustomer(
                    customer_id=str(row["customer_id"]),
                    probability=float(str(row["probability"])),
                    risk_band=str(row["risk_band"]),
                    reason=str(row.get("reason_1") or ""),
                )
                for row in rows
            )
        return Overview(
            name=settings.project.name,
            source=settings.data.source or (settings.events.source[0] if settings.events else ""),
            n_customers=self._n_customers(),
            champion=known.get(models.champion or ""),
            challenger=known.get(models.challenger or ""),
            scored_at=self._scores.made_at,
            n_scored=n_scored,
            bands=bands,
            riskiest=riskiest,
            needs=needs(models, n_scored, version),
            recent=tuple(reversed(models.journal[-RECENT:])),
        )

    def data(self) -> DataFacts:
        """See the protocol."""
        return DataFacts(
            profile=churnkit.profile(self._project).profile,
        )

    def models(self) -> ModelList:
        """See the protocol."""
        with self._lock:
            listed = churnkit.list_models(self._project)
            return ModelList(
                versions=listed.versions,
                champion=listed.holders.get("champion"),
                challenger=listed.holders.get("challenger"),
                journal=churnkit.journal(self._project).entries,
            )

    def model(self, version: str) -> ModelDetail:
        """See the protocol."""
        with self._lock:
            shown = churnkit.show_model(self._project, version)
        return ModelDetail(version=shown.version, record=shown.record, aliases=shown.aliases)

    def customers(self, query: CustomerQuery) -> CustomerView:
        """See the protocol."""
        if not self._scores.there:
            return CustomerView("", 0, 0, (), None, "")
        return self._scores.view(query)

    def page(self, view: str, start: int, count: int) -> tuple[tuple[object, ...], ...]:
        """See the protocol."""
        return self._scores.page(view, start, count)

    def probabilities(self) -> Floats:
        """See the protocol."""
        return self._scores.probabilities()

    def customer(self, customer_id: str) -> CustomerDetail:
        """See the protocol."""
        explained = churnkit.explain(self._project, customer_id).explanation
        with self._lock:
            past = churnkit.history(self._project, customer_id, limit=50).rows
        row = {reason.column: reason.value for reason in explained.reasons}
        return CustomerDetail(explanation=explained, row=row, history=past)

    def form(self) -> tuple[FormField, ...]:
        """See the protocol."""
        with self._lock:
            record = churnkit.show_model(self._project).record
            known = example_item(self._project).get("features")
        example = known if isinstance(known, dict) else {}
        return tuple(
            FormField(
                name=column.name,
                kind=column.kind,
                categories=column.categories,
                low=column.low,
                high=column.high,
                example=example.get(column.name),
            )
            for column in record.model_schema.inputs
        )

    def what_if(self, row: Mapping[str, object]) -> Explanation:
        """See the protocol."""
        return churnkit.explain(self._project, row=row).explanation

    def rollouts(self) -> tuple[RolloutLine, ...]:
        """See the protocol."""
        return local_rollouts.rollouts(self._project)

    def rollout(self, rollout_id: str) -> RolloutFacts:
        """See the protocol."""
        return local_rollouts.rollout(self._project, rollout_id)

    def plan_rollout(self, arguments: Mapping[str, Any]) -> PlanFacts:
        """See the protocol."""
        with self._lock:
            return local_rollouts.plan_rollout(self._project, arguments)

    def features(self) -> FeatureFacts:
        """See the protocol."""
        return local_features.features(self._project)

    def check_features(self, definitions: Sequence[Definition]) -> tuple[FeatureLine, ...]:
        """See the protocol."""
        return local_features.check_features(self._project, definitions)

    def find_customers(self, search: str) -> tuple[tuple[str, int], ...]:
        """See the protocol."""
        return local_features.find_customers(self._project, search)

    def timeline(self, customer_id: str) -> Timeline:
        """See the protocol."""
        return local_features.timeline(self._project, customer_id)

    def feature_values(
        self, customer_id: str, as_of: datetime, definitions: Sequence[Definition]
    ) -> FeatureValues:
        """See the protocol."""
        return local_features.feature_values(self._project, customer_id, as_of, definitions)

    def monitor(self) -> MonitorFacts:
        """See the protocol."""
        return local_monitor.monitor(self._project, self._scores)

    def experiments(self) -> tuple[ExperimentLine, ...]:
        """See the protocol."""
        return local_experiments.experiments(self._project)

    def experiment(self, experiment_id: str) -> ExperimentFacts:
        """See the protocol."""
        return local_experiments.experiment(self._project, experiment_id)

    def plan_experiment(self, arguments: Mapping[str, Any]) -> ExperimentPlanFacts:
        """See the protocol."""
        return local_experiments.plan_experiment(self._project, arguments)

    def money(self) -> Money:
        """See the protocol."""
        return Money(**self._project.settings.money.model_dump())

    def apply(self, action: Action) -> Answer:
        """See the protocol."""
        verb = getattr(churnkit, action.verb)
        with self._lock:
            result = verb(self._project, **action.arguments, **action.guards)
        return Answer(text=str(result), details=result.to_json())

    def close(self) -> None:
        """See the protocol."""
        self._scores.close()
        self._project.close()

    def _n_customers(self) -> int:
        try:
            return n_customers(self._project)
        except ChurnkitError:
            return 0
