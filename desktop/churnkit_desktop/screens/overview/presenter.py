"""Overview: one read, nothing to edit."""

from __future__ import annotations

from churnkit_desktop.backend.facts import Overview
from churnkit_desktop.desk import Desk
from churnkit_desktop.screens.presenter import Presenter


class OverviewPresenter(Presenter):
    """Who is at risk, what changed, what needs a decision."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "overview")
        self.facts: Overview | None = None

    def load(self) -> None:
        """Read it."""
        self.read(self.desk.backend.overview, self._loaded)

    def _loaded(self, facts: Overview) -> None:
        self.facts = facts
