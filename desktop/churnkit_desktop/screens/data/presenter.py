"""Data: what was imported, what is suspicious, and newer rows."""

from __future__ import annotations

from functools import partial

from churnkit.usecases.projects.previewing import Preview, preview
from churnkit_desktop.actions import Action, Argument
from churnkit_desktop.backend.facts import DataFacts
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.work.bench import Job


class DataPresenter(Presenter):
    """The profile of the imported table."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "data")
        self.facts: DataFacts | None = None
        self.asked: tuple[str, dict[str, tuple[str, ...]]] | None = None
        """A file, and its columns with two values: which one says who left?"""

    def load(self) -> None:
        """Read it; looking for leaks takes seconds."""
        self.read(self.desk.backend.data, self._loaded)

    def _loaded(self, facts: DataFacts) -> None:
        self.facts = facts

    @property
    def job(self) -> Job | None:
        """The import of newer rows."""
        return self.desk.bench.job("import_data")

    @property
    def uploads(self) -> bool:
        """Whether files go to a service, which knows nothing of their columns yet."""
        return self.desk.backend.scores_a_file

    def import_file(self, name: str) -> None:
        """Replace the rows by those of a newer file; the project knows what is what."""
        if self.uploads:
            self.asked = None
            self.read(lambda: preview(name), partial(self._looked, name), "preview")
        else:
            self.start(Action("import_data", {"data": name}, tr("Importing customers")))

    def upload(self, name: str, target: str = "", positive: str = "") -> None:
        """Send a file to the service; what is not said it guesses."""
        self.asked = None
        told = {"target": target, "positive": positive}
        arguments: dict[str, Argument] = {"data": name}
        arguments |= {key: value for key, value in told.items() if value}
        self.start(Action("import_data", arguments, tr("Uploading a file")))

    def _looked(self, name: str, seen: Preview) -> None:
        if seen.problem is not None and seen.binary:
            self.asked = (name, seen.binary)  # a person says which column tells who left
        else:
            self.upload(name)

    def cancel(self) -> None:
        """Stop the import; the rows are those from before."""
        self.desk.bench.cancel("import_data")
