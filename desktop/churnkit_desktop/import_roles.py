"""What each column of a file to import is for: who left, what means left, who the customers are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QComboBox, QFormLayout

from churnkit_desktop.language import tr
from churnkit_desktop.session.undo import History

if TYPE_CHECKING:
    from churnkit.usecases.projects.previewing import Preview

_NO_ID = tr("(none: rows are numbered)")
_WORDS = {
    "target": tr("who left"),
    "positive": tr("what means left"),
    "id_column": tr("names of customers"),
}
Roles = dict[str, str]


class RolesForm:
    """Three choices that can be undone.

    Parameters
    ----------
    keep : told of the roles whenever they change
    """

    def __init__(self, keep: Callable[[Roles], None]) -> None:
        self._keep = keep
        self._preview: Preview | None = None
        self._filling = False
        self.history: History[Roles] = History({})
        """What was chosen to be what; target, positive and id_column."""
        self.target, self.positive, self.identity = QComboBox(), QComboBox(), QComboBox()
        self.target.currentTextChanged.connect(self._target_changed)
        for box in (self.positive, self.identity):
            box.currentTextChanged.connect(lambda _text: self._changed())

    def add_to(self, form: QFormLayout) -> None:
        """Place the choices."""
        form.addRow(tr("Who left is in the column"), self.target)
        form.addRow(tr("… and the value that means “left” is"), self.positive)
        form.addRow(tr("Customers are named by"), self.identity)

    def show(self, seen: Preview, draft: Mapping[str, Any]) -> None:
        """Offer what a file has; what was chosen before stays chosen, else what was guessed."""
        self._preview, self._filling = seen, True
        roles = {guess.role: guess for guess in seen.roles}
        _choose(self.target, seen.binary, draft.get("target") or _name(roles.get("target")))
        guessed = getattr(roles.get("target"), "positive", "")
        self._fill_positive(str(draft.get("positive") or guessed or ""))
        names = [_NO_ID, *(column.name for column in seen.columns)]
        _choose(self.identity, names, draft.get("id_column") or _name(roles.get("id")) or _NO_ID)
        self._filling = False
        self.history.reset(self.chosen())

    def chosen(self) -> Roles:
        """The roles as they stand; without a column of names ``id_column`` is empty."""
        return {
            "target": self.target.currentText(),
            "positive": self.positive.currentText(),
            "id_column": self.identity.currentText() if self.identity.currentIndex() > 0 else "",
        }

    def undo(self) -> None:
        """The roles as they were before the last choice."""
        self.history.undo()
        self._put_back()

    def redo(self) -> None:
        """Do again what was taken back."""
        self.history.redo()
        self._put_back()

    def _put_back(self) -> None:
        roles = self.history.value
        if not roles:
            return
        self._filling = True
        self.target.setCurrentText(roles["target"])
        self._fill_positive(roles["positive"])
        self.identity.setCurrentText(roles["id_column"] or _NO_ID)
        self._filling = False
        self._keep(roles)

    def _target_changed(self, _name: str) -> None:
        if not self._filling:
            self._fill_positive("")
            self._changed()

    def _fill_positive(self, chosen: str) -> None:
        values = self._preview.binary.get(self.target.currentText(), ()) if self._preview else ()
        _choose(self.positive, values, chosen or (values[-1] if values else ""))

    def _changed(self) -> None:
        if self._filling:
            return
        roles = self.chosen()
        changed = [name for name in roles if roles[name] != self.history.value.get(name)]
        self.history.edit(_WORDS.get(changed[0], "") if changed else "", roles)
        self._keep(roles)


def _choose(box: QComboBox, words: Iterable[str], chosen: str) -> None:
    box.blockSignals(True)
    box.clear()
    box.addItems(list(words))
    box.setCurrentIndex(max(0, box.findText(chosen)))
    box.blockSignals(False)


def _name(guess: object) -> str:
    return str(getattr(guess, "column", "") or "")
