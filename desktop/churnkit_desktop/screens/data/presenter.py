"""Data: what was imported, what is suspicious, and newer rows."""

from __future__ import annotations

from churnkit_desktop.actions import Action
from churnkit_desktop.backend.facts import DataFacts
from churnkit_desktop.desk import Desk
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.work.bench import Job


class DataPresenter(Presenter):
    """The profile of the imported table."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "data")
        self.facts: DataFacts | None = None

    def load(self) -> None:
        """Read it; looking for leaks takes seconds."""
        self.read(self.desk.backend.data, self._loaded)

    def _loaded(self, facts: DataFacts) -> None:
        self.facts = facts

    @property
    def job(self) -> Job | None:
        """The import of newer rows."""
        return self.desk.bench.job("import_data")

    def import_file(self, name: str) -> None:
        """Replace the rows by those of a newer file."""
        self.start(Action("import_data", {"data": name}, "Importing customers"))

    def cancel(self) -> None:
        """Stop the import; the rows are those from before."""
        self.desk.bench.cancel("import_data")
