"""The one protocol behind all screens. Every method blocks; a runner calls it in a thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from churnkit.domain.predictions import Explanation
from churnkit_desktop.actions import Action
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
from churnkit_desktop.backend.live import Live


class Backend(Protocol):
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

    def money(self) -> Money:
        """The terms that were set for this project."""

    def apply(self, action: Action) -> Answer:
        """Do something short that changes the project (promote, roll back, …)."""

    def close(self) -> None:
        """Let go of files and connections."""
