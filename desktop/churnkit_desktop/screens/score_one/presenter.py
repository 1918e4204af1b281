"""Score one: a form made from the model's schema; the answer follows each change."""

from __future__ import annotations

from churnkit.domain.predictions import Explanation
from churnkit_desktop.backend.facts import FormField
from churnkit_desktop.desk import Desk
from churnkit_desktop.screens.presenter import Presenter


class ScoreOnePresenter(Presenter):
    """A customer who is in no table."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "score_one")
        self.fields: tuple[FormField, ...] = ()
        self.row: dict[str, object] = dict(self.draft("row", {}))
        self.answer: Explanation | None = None

    def load(self) -> None:
        """Read the schema of the model that serves."""
        self.read(self.desk.backend.form, self._loaded, "form")

    def change(self, column: str, value: object) -> None:
        """A value was entered."""
        self.row[column] = value
        self.keep("row", dict(self.row))
        self._score()

    def clear(self) -> None:
        """Begin with an empty form."""
        self.row = {field.name: None for field in self.fields}
        self.keep("row", dict(self.row))
        self._score()

    def _loaded(self, fields: tuple[FormField, ...]) -> None:
        self.fields = fields
        # The first time an example, so that the answer means something.
        self.row = {
            field.name: self.row.get(field.name, field.example) if self.row else field.example
            for field in fields
        }
        self._score()

    def _score(self) -> None:
        row = dict(self.row)
        backend = self.desk.backend
        self.desk.runner.run(
            "score_one answer", lambda: backend.what_if(row), self._answered, self.fail
        )

    def _answered(self, answer: Explanation) -> None:
        self.answer, self.error = answer, None
        self.changed()
