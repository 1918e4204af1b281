"""A service, asked over HTTP; long work is done by the service's own jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from churnkit.client.calls import customers, learning, models, predictions
from churnkit.client.calls.jobs import DATASETS
from churnkit.client.messages.customers import CustomersAnswer
from churnkit.client.messages.datasets import Dataset
from churnkit.client.messages.models import JournalPage, ModelsAnswer
from churnkit.client.messages.models import ModelDetail as ToldModel
from churnkit.domain.predictions import Explanation
from churnkit.domain.runs import RunRecord
from churnkit.errors import ChurnkitError, ServiceRefused
from churnkit.settings.money import Money as MoneySettings
from churnkit_desktop.actions import Action
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
    Need,
    Overview,
)
from churnkit_desktop.backend.monitor_facts import MonitorFacts
from churnkit_desktop.backend.needs import needs
from churnkit_desktop.backend.remote import experiments as remote_experiments
from churnkit_desktop.backend.remote import monitor as remote_monitor
from churnkit_desktop.backend.remote import rollouts as remote_rollouts
from churnkit_desktop.backend.remote import telling
from churnkit_desktop.backend.remote.acting import act
from churnkit_desktop.backend.remote.customers import Customers
from churnkit_desktop.backend.remote.line import Line
from churnkit_desktop.backend.remote.no_features import WHY, NoFeatures
from churnkit_desktop.backend.remote.people import People
from churnkit_desktop.backend.rollout_facts import PlanFacts, RolloutFacts, RolloutLine
from churnkit_desktop.language import tr
from churnkit_desktop.words import whole

RISKIEST = 8
RECENT = 5
NO_RECORD = tr(
    "This version was not trained by this service: it knows the "
    "figures, but not calibration, lift, segments and search. Open the "
    "project where it was trained to see them."
)
_WHY_NOT = {"features": WHY}


class KeyRefused(ChurnkitError):
    """The service wants an API key, or another one."""


class RemoteBackend(NoFeatures):
    """A service.

    Parameters
    ----------
    url : its address
    key : the API key; empty: none

    Raises
    ------
    ConnectionLost : it does not answer
    KeyRefused : it does not know the key
    """

    def __init__(self, url: str, key: str = "") -> None:
        self.place = url.rstrip("/")
        self.title = urlsplit(self.place).netloc
        self.line = Line(self.place, key)
        self._customers = Customers(self.line)
        self._people = People(self.line)
        try:
            self.line.ask(models.aliases())
        except BaseException as error:
            self.line.close()
            if isinstance(error, ServiceRefused) and error.where.get("status") in (401, 403):
                raise KeyRefused(
                    tr("the service does not know this API key.")
                    if key
                    else tr("it wants an API key."),
                    fix=tr("'churnkit keys create' on the service's machine makes one."),
                    url=self.place,
                ) from error
            raise
        self.line.listen()

    scores_a_file = True
    """A service scores files and requests; it has no table of all customers to score."""

    @property
    def live(self) -> Line:
        """See the protocol."""
        return self.line

    def why_not(self, screen: str) -> str:
        """What only a project folder can show."""
        return _WHY_NOT.get(screen, "")

    def overview(self) -> Overview:
        """See :class:`churnkit_desktop.backend.protocol.Backend`."""
        listed = self.models()
        known = {version.version: version for version in listed.versions}
        top: CustomersAnswer = self.line.ask(customers.customers(limit=RISKIEST, counts=True))
        told = self.line.ask_all(*(predictions.prediction(c.prediction_id) for c in top.customers))
        counts = top.counts
        versions = counts.by_version if counts else {}
        newest = max(versions, key=lambda name: versions[name], default="")
        n_scored = counts.total if counts else 0
        return Overview(
            name=self.title,
            source=tr("a service; {champion} serves").format(champion=listed.champion or "nobody"),
            n_customers=0,
            champion=known.get(listed.champion or ""),
            challenger=known.get(listed.challenger or ""),
            scored_at=top.refreshed_at if n_scored else None,
            n_scored=n_scored,
            bands=counts.by_band if counts else {},
            riskiest=tuple(
                telling.risky(one, recorded.reasons)
                for one, recorded in zip(top.customers, told, strict=True)
            ),
            needs=self._needs(listed, n_scored, newest),
            recent=tuple(reversed(listed.journal[-RECENT:])),
        )

    def _needs(self, listed: ModelList, n_scored: int, newest: str) -> tuple[Need, ...]:
        if not listed.versions and self._newest_dataset() is None:
            return (
                Need(tr("Nothing was uploaded to learn from yet."), "data", tr("Upload a file")),
            )
        return needs(listed, n_scored, newest)

    def data(self) -> DataFacts:
        """See the protocol."""
        found = self._newest_dataset()
        if found is None:
            return DataFacts(None, tr("Nothing was uploaded to this service yet."))
        if found.kind == "events":
            return DataFacts(
                None,
                tr(
                    "“{name}” is a log of {n_rows} events; models learn from the "
                    "features that the service computes of it."
                ).format(name=found.name, n_rows=whole(found.n_rows or 0)),
            )
        profile = self.line.ask(learning.profile(found.id))
        return DataFacts(telling.table_profile(found.name, profile))

    def _newest_dataset(self) -> Dataset | None:
        page = self.line.ask(DATASETS.listed(state="finished", cursor=None, limit=1))
        return page.datasets[0] if page.datasets else None

    def models(self) -> ModelList:
        """See the protocol."""
        listed: ModelsAnswer
        page: JournalPage
        listed, page = self.line.ask_all(models.models(), models.journal(limit=1_000))
        return ModelList(
            versions=tuple(telling.model_version(one) for one in listed.models),
            champion=listed.champion,
            challenger=listed.challenger,
            journal=tuple(telling.journal_entry(row) for row in reversed(page.journal)),
        )

    def model(self, version: str) -> ModelDetail:
        """See the protocol."""
        told: ToldModel = self.line.ask(models.model(version))
        record = self._run(told.version)
        return ModelDetail(
            version=telling.model_version(told),
            record=record,
            aliases=told.aliases,
            why_no_record="" if record else NO_RECORD,
        )

    def _run(self, version: str) -> RunRecord | None:
        try:
            return self.line.ask(models.model_run(version)).record
        except ServiceRefused as error:
            if error.where.get("status") in (404, 409):
                return None
            raise

    def customers(self, query: CustomerQuery) -> CustomerView:
        """See the protocol."""
        return self._customers.view(query)

    def page(self, view: str, start: int, count: int) -> tuple[tuple[object, ...], ...]:
        """See the protocol."""
        return self._customers.page(view, start, count)

    def probabilities(self) -> Floats:
        """See the protocol; each score is the mean of those within 1/2000."""
        return self._customers.probabilities()

    def customer(self, customer_id: str) -> CustomerDetail:
        """See the protocol."""
        return self._people.customer(customer_id)

    def form(self) -> tuple[FormField, ...]:
        """See the protocol."""
        return self._people.fields()

    def what_if(self, row: Mapping[str, object]) -> Explanation:
        """See the protocol; nothing is recorded."""
        return self._people.what_if(row)

    def rollouts(self) -> tuple[RolloutLine, ...]:
        """See the protocol."""
        return remote_rollouts.rollouts(self.line)

    def rollout(self, rollout_id: str) -> RolloutFacts:
        """See the protocol."""
        return remote_rollouts.rollout(self.line, rollout_id)

    def plan_rollout(self, arguments: Mapping[str, Any]) -> PlanFacts:
        """See the protocol."""
        return remote_rollouts.plan_rollout(self.line, arguments)

    def experiments(self) -> tuple[ExperimentLine, ...]:
        """See the protocol."""
        return remote_experiments.experiments(self.line)

    def experiment(self, experiment_id: str) -> ExperimentFacts:
        """See the protocol."""
        return remote_experiments.experiment(self.line, experiment_id)

    def plan_experiment(self, arguments: Mapping[str, Any]) -> ExperimentPlanFacts:
        """See the protocol."""
        return remote_experiments.plan_experiment(self.line, arguments)

    def monitor(self) -> MonitorFacts:
        """See the protocol."""
        return remote_monitor.monitor(self.line)

    def money(self) -> Money:
        """The champion's terms, where the service trained it; else churnkit's own."""
        held = self.line.ask(models.aliases()).champion
        record = None if held is None else self._run(held)
        told = record.settings.get("money", {}) if record is not None else {}
        return Money(**MoneySettings.model_validate(told).model_dump())

    def apply(self, action: Action) -> Answer:
        """See the protocol; waits for a lost connection."""
        return act(self.line, action)

    def close(self) -> None:
        """See the protocol."""
        self.line.close()
