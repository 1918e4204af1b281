"""The one protocol behind all screens. Every method blocks; a runner calls it in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from churnkit.domain.predictions import Explanation
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
    Overview,
)
from churnkit_desktop.backend.feature_facts import (
    Definition,
    FeatureFacts,
    FeatureLine,
    FeatureValues,
    Timeline,
)
from churnkit_desktop.backend.live import Live
from churnkit_desktop.backend.monitor_facts import MonitorFacts
from churnkit_desktop.backend.rollout_facts import PlanFacts, RolloutFacts, RolloutLine


class ReadsRollouts(Protocol):
    """What the screen Rollout asks for."""

    def rollouts(self) -> tuple[RolloutLine, ...]:
        """All of them, the oldest first."""

    def rollout(self, rollout_id: str) -> RolloutFacts:
        """One of them, with every look."""

    def plan_rollout(self, arguments: Mapping[str, Any]) -> PlanFacts:
        """The plan and forecast that these arguments of ``start_rollout`` would give.

        Nothing is started.
        """


class ReadsFeatures(Protocol):
    """What the screen Features asks for."""

    def features(self) -> FeatureFacts:
        """The definitions, and the log that they are made of."""

    def check_features(self, definitions: Sequence[Definition]) -> tuple[FeatureLine, ...]:
        """The same definitions with types and meanings; FeatureError if one cannot be used."""

    def find_customers(self, search: str) -> tuple[tuple[str, int], ...]:
        """A few customers of the log and their number of events, the busiest first."""

    def timeline(self, customer_id: str) -> Timeline:
        """One customer along time."""

    def feature_values(
        self, customer_id: str, as_of: datetime, definitions: Sequence[Definition]
    ) -> FeatureValues:
        """What these definitions give for a customer at a moment."""


class ReadsExperiments(Protocol):
    """What the screen Experiments asks for."""

    def experiments(self) -> tuple[ExperimentLine, ...]:
        """All of them, the oldest first."""

    def experiment(self, experiment_id: str) -> ExperimentFacts:
        """One of them, with its readings."""

    def plan_experiment(self, arguments: Mapping[str, Any]) -> ExperimentPlanFacts:
        """How many customers these arguments of ``plan_experiment`` ask for."""


class Backend(ReadsRollouts, ReadsFeatures, ReadsExperiments, Protocol):
    """A project folder or a service.

    Attributes
    ----------
    place : the folder's path or the address, as the person gave it
    title : a short name for the window
    scores_a_file : whether a person must say which customers to score
    live : the connection, and what is told by itself; None: nothing is
    """

    place: str
    title: str
    scores_a_file: bool

    @property
    def live(self) -> Live | None:
        """See above."""

    def why_not(self, screen: str) -> str:
        """Why this backend cannot fill a screen, in a sentence; empty: it can."""

    def overview(self) -> Overview:
        """Who is at risk, what changed, what needs a decision."""

    def data(self) -> DataFacts:
        """What was imported, and what is suspicious about it."""

    def models(self) -> ModelList:
        """All versions and the journal."""

    def model(self, version: str) -> ModelDetail:
        """One version."""

    def customers(self, query: CustomerQuery) -> CustomerView:
        """Make a view of the scored customers; pages of it are then quick."""

    def page(self, view: str, start: int, count: int) -> tuple[tuple[object, ...], ...]:
        """Rows of a view, in its order."""

    def probabilities(self) -> Floats:
        """All scores, the highest first."""

    def customer(self, customer_id: str) -> CustomerDetail:
        """One customer."""

    def form(self) -> tuple[FormField, ...]:
        """The inputs of the model that serves."""

    def what_if(self, row: Mapping[str, object]) -> Explanation:
        """The probability and reasons of a row that need not exist."""

    def monitor(self) -> MonitorFacts:
        """How models and service are doing, as far as it is known here."""

    def money(self) -> Money:
        """The terms that were set for this project."""

    def apply(self, action: Action) -> Answer:
        """Do something short that changes the project (promote, roll back, …)."""

    def close(self) -> None:
        """Let go of files and connections."""
