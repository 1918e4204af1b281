"""The import of a file: a live preview, what each column is for, where the project goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
)

from churnkit.errors import ChurnkitError
from churnkit_desktop.actions import Action
from churnkit_desktop.language import tr
from churnkit_desktop.runner import Runner
from churnkit_desktop.session.memory import PlaceMemory
from churnkit_desktop.session.script import Script
from churnkit_desktop.session.undo import History
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label
from churnkit_desktop.widgets.progress import JobCard
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import whole
from churnkit_desktop.work.bench import Job, Workbench

if TYPE_CHECKING:
    from churnkit.usecases.previewing import Preview

_DRAFT = "import"
_NO_ID = tr("(none: rows are numbered)")
_WORDS = {
    "target": tr("who left"),
    "positive": tr("what means left"),
    "id_column": tr("names of customers"),
}
Roles = dict[str, str]


class ImportPage(ScreenFrame):
    """From a file to a project.

    Parameters
    ----------
    memory : keeps the draft while it is edited
    runner : reads the preview
    done : gets the new project's folder, and the action that made it
    back : leaves the page
    """

    def __init__(
        self,
        memory: PlaceMemory,
        runner: Runner,
        done: Callable[[str, Action], None],
        back: Callable[[], None],
    ) -> None:
        super().__init__(tr("Import customers"))
        self._memory, self._runner, self._done, self._back = memory, runner, done, back
        self.bench = Workbench("", memory, Script())
        self._preview: Preview | None = None
        self._wanted = False
        self._filling = False
        self.roles: History[Roles] = History({})
        """What was chosen to be what; target, positive and id_column."""
        cancel = QPushButton(tr("Back"))
        cancel.clicked.connect(self.leave)
        self.start_button = QPushButton(tr("Import"))
        self.start_button.setObjectName("primary")
        self.start_button.clicked.connect(self.start)
        self.buttons.addWidget(cancel)
        self.buttons.addWidget(self.start_button)
        self.banner = Banner()
        self.job_card = JobCard(lambda: self.bench.cancel("create_project"))
        self.above.addWidget(self.banner)
        self.above.addWidget(self.job_card)
        card = Card(tr("What is what?"))
        form = QFormLayout()
        form.setHorizontalSpacing(18)
        self.target, self.positive, self.identity = QComboBox(), QComboBox(), QComboBox()
        self.folder = QLineEdit()
        browse = QPushButton(tr("Choose …"))
        browse.clicked.connect(self._browse)
        where = QHBoxLayout()
        where.addWidget(self.folder, 1)
        where.addWidget(browse)
        form.addRow(tr("Who left is in the column"), self.target)
        form.addRow(tr("… and the value that means “left” is"), self.positive)
        form.addRow(tr("Customers are named by"), self.identity)
        form.addRow(tr("The project's folder"), where)
        card.body.addLayout(form)
        self.body.addWidget(card)
        self._model = RowsModel(())
        self.table = Table(tr("Preview"), self._model)
        self.table.setMinimumHeight(300)
        shown = Card(tr("The first rows"))
        self.ground = label("", "faint", wrap=True)
        shown.body.addWidget(self.ground)
        shown.body.addWidget(self.table)
        self.body.addWidget(shown, 1)
        self.target.currentTextChanged.connect(self._target_changed)
        for box in (self.positive, self.identity):
            box.currentTextChanged.connect(lambda _text: self._keep())
        self.folder.textChanged.connect(lambda _text: self._keep())

    def begin(self, name: str) -> None:
        """Look at a file; what was entered for another one is forgotten."""
        folder = Path.home() / "churnkit" / Path(name).stem.lower().replace(" ", "-")
        self._memory.put(_DRAFT, {"file": name, "folder": str(_free(folder))})
        self._look()

    def resume(self) -> bool:
        """Go on with a draft from before; False: there is none."""
        if not self._memory.get(_DRAFT):
            return False
        self._look()
        if self.bench.interrupted:
            # Said until the import is started again, however often the page is shown.
            self.banner.show_notice(
                tr("The import was interrupted."), tr("Nothing is half-written; start it again.")
            )
        return True

    def use_folder(self, folder: str) -> None:
        """Where the project shall go."""
        self._memory.put(_DRAFT, {**self._memory.get(_DRAFT, {}), "folder": folder})

    def start_when_ready(self) -> None:
        """Begin as soon as the preview shows that nothing is left to choose."""
        self._wanted = True

    def leave(self) -> None:
        """Forget the draft and go back."""
        self.bench.interrupted = []
        self.bench.cancel("create_project")
        self._memory.drop(_DRAFT)
        self._back()

    def start(self) -> None:
        """Make the project."""
        self.bench.interrupted = []
        draft = self._memory.get(_DRAFT, {})
        arguments: dict[str, str | None] = {
            "folder": self.folder.text().strip(),
            "data": draft["file"],
            "target": self.target.currentText(),
            "positive": self.positive.currentText(),
        }
        if self.identity.currentIndex() > 0:
            arguments["id_column"] = self.identity.currentText()
        action = Action("create_project", dict(arguments), tr("Importing customers"))
        self.banner.show_error(None)
        self.start_button.setEnabled(False)
        job = self.bench.start(action)
        job.changed.connect(lambda: self._follow(job))
        self.job_card.show_job(job)

    def _follow(self, job: Job) -> None:
        self.job_card.show_job(job)
        if job.running:
            return
        self.start_button.setEnabled(True)
        if job.state == "finished":
            self._memory.drop(_DRAFT)
            self._done(str(job.result["place"]), job.action)
        elif job.state == "failed":
            self.banner.show_error(job.error)

    def _look(self) -> None:
        name = str(self._memory.get(_DRAFT, {}).get("file", ""))
        self.subtitle.setText(name)
        self.start_button.setEnabled(False)
        self.banner.show_error(None)
        self._model.beginResetModel()
        self._model.columns, self._model.rows = (), []
        self._model.endResetModel()
        self.ground.setText(tr("Reading …"))
        self._runner.run("preview", lambda: _preview(name), self._show, self._failed)

    def _failed(self, error: ChurnkitError) -> None:
        self.ground.setText("")
        self.banner.show_error(error)

    def _show(self, seen: Preview) -> None:
        self._preview = seen
        draft = self._memory.get(_DRAFT, {})
        more = "" if seen.complete else tr(" or more")
        kind = tr("a log of events") if seen.kind == "events" else tr("a table of customers")
        self.ground.setText(
            tr("{n_rows} rows{more}; it looks like {kind} ({ground}).").format(
                n_rows=whole(seen.n_rows), more=more, kind=kind, ground=seen.ground
            )
        )
        self._model.beginResetModel()
        self._model.columns = tuple(
            Column(column.name, number=column.kind == "number") for column in seen.columns
        )
        self._model.rows = list(seen.rows)
        self._model.endResetModel()
        self.table.fit_columns()
        self._filling = True
        roles = {guess.role: guess for guess in seen.roles}
        _choose(self.target, seen.binary, draft.get("target") or _name(roles.get("target")))
        self._fill_positive(draft.get("positive") or getattr(roles.get("target"), "positive", ""))
        names = [_NO_ID, *(column.name for column in seen.columns)]
        _choose(self.identity, names, draft.get("id_column") or _name(roles.get("id")) or _NO_ID)
        self.folder.setText(draft.get("folder", ""))
        self._filling = False
        self.roles.reset(self._chosen())
        if seen.kind == "events":
            self.banner.show_notice(
                tr("This is a log of events."),
                tr("Make its project on the command line ('churnkit init'); then open it here."),
            )
            return
        self.start_button.setEnabled(self.target.count() > 0)
        if not self.target.count():
            self.banner.show_notice(
                tr("No column has exactly two values."),
                tr("One column must say who left (yes or no, 1 or 0)."),
            )
        elif seen.problem is not None and not draft.get("target"):
            self.banner.show_notice(tr("Please choose the column that says who left."))
        elif self._wanted:
            self.start()
        self._wanted = False

    def _target_changed(self, _name: str) -> None:
        if not self._filling:
            self._fill_positive("")
            self._keep()

    def _fill_positive(self, chosen: str) -> None:
        values = self._preview.binary.get(self.target.currentText(), ()) if self._preview else ()
        _choose(self.positive, values, chosen or (values[-1] if values else ""))

    def _keep(self) -> None:
        draft = self._memory.get(_DRAFT)
        if self._filling or not draft:
            return
        roles = self._chosen()
        changed = [name for name in roles if roles[name] != self.roles.value.get(name)]
        self.roles.edit(_WORDS.get(changed[0], "") if changed else "", roles)
        self._memory.put(_DRAFT, {**draft, "folder": self.folder.text(), **roles})

    def _chosen(self) -> Roles:
        identity = self.identity.currentText() if self.identity.currentIndex() > 0 else ""
        return {
            "target": self.target.currentText(),
            "positive": self.positive.currentText(),
            "id_column": identity,
        }

    # --- undo ----------------------------------------------------------------------------

    @property
    def undoable(self) -> str:
        """What undo would take back."""
        return self.roles.undoable

    @property
    def redoable(self) -> str:
        """What redo would do again."""
        return self.roles.redoable

    def undo(self) -> None:
        """The roles as they were before the last choice."""
        self.roles.undo()
        self._put_back()

    def redo(self) -> None:
        """Do again what was taken back."""
        self.roles.redo()
        self._put_back()

    def _put_back(self) -> None:
        roles = self.roles.value
        if not roles:
            return
        self._filling = True
        self.target.setCurrentText(roles["target"])
        self._fill_positive(roles["positive"])
        self.identity.setCurrentText(roles["id_column"] or _NO_ID)
        self._filling = False
        draft = self._memory.get(_DRAFT)
        if draft:
            self._memory.put(_DRAFT, {**draft, **roles})

    def _browse(self) -> None:
        name = QFileDialog.getExistingDirectory(self, tr("The project's folder"))
        if name:
            self.folder.setText(name)


def _preview(name: str) -> Preview:
    # In a thread: what reads files takes a second to load, and the window is there before.
    from churnkit.usecases.previewing import preview

    return preview(name)


def _choose(box: QComboBox, words: object, chosen: str) -> None:
    box.blockSignals(True)
    box.clear()
    box.addItems(list(words))  # type: ignore[call-overload]
    box.setCurrentIndex(max(0, box.findText(chosen)))
    box.blockSignals(False)


def _name(guess: object) -> str:
    return str(getattr(guess, "column", "") or "")


def _free(folder: Path) -> Path:
    """A folder of this name that holds no project yet."""
    tried, number = folder, 2
    while (tried / "churnkit.toml").exists():
        tried, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return tried
