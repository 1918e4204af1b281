"""The import of a file: a live preview, what each column is for, where the project goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
)

from churnkit.errors import ChurnkitError
from churnkit_desktop.actions import Action
from churnkit_desktop.import_roles import RolesForm
from churnkit_desktop.language import tr
from churnkit_desktop.runner import Runner
from churnkit_desktop.session.memory import PlaceMemory
from churnkit_desktop.session.script import Script
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label
from churnkit_desktop.widgets.progress import JobCard
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import whole
from churnkit_desktop.work.bench import Job, Workbench

if TYPE_CHECKING:
    from churnkit.usecases.projects.previewing import Preview

_DRAFT = "import"


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
        self._wanted = False
        self._filling = False
        self.roles = RolesForm(self._keep)
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
        self.folder = QLineEdit()
        browse = QPushButton(tr("Choose …"))
        browse.clicked.connect(self._browse)
        where = QHBoxLayout()
        where.addWidget(self.folder, 1)
        where.addWidget(browse)
        self.roles.add_to(form)
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
        self.folder.textChanged.connect(self._keep_folder)

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
        roles = {name: role for name, role in self.roles.chosen().items() if role}
        arguments = {"folder": self.folder.text().strip(), "data": draft["file"], **roles}
        action = Action("create_project", arguments, tr("Importing customers"))
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
        self.roles.show(seen, draft)
        self._filling = True
        self.folder.setText(draft.get("folder", ""))
        self._filling = False
        if seen.kind == "events":
            self.banner.show_notice(
                tr("This is a log of events."),
                tr("Make its project on the command line ('churnkit init'); then open it here."),
            )
            return
        self.start_button.setEnabled(self.roles.target.count() > 0)
        if not self.roles.target.count():
            self.banner.show_notice(
                tr("No column has exactly two values."),
                tr("One column must say who left (yes or no, 1 or 0)."),
            )
        elif seen.problem is not None and not draft.get("target"):
            self.banner.show_notice(tr("Please choose the column that says who left."))
        elif self._wanted:
            self.start()
        self._wanted = False

    def _keep_folder(self, folder: str) -> None:
        if not self._filling:
            self._keep({"folder": folder})

    def _keep(self, changes: Mapping[str, str]) -> None:
        draft = self._memory.get(_DRAFT)
        if draft:
            self._memory.put(_DRAFT, {**draft, **changes})

    # --- undo ----------------------------------------------------------------------------

    @property
    def undoable(self) -> str:
        """What undo would take back."""
        return self.roles.history.undoable

    @property
    def redoable(self) -> str:
        """What redo would do again."""
        return self.roles.history.redoable

    def undo(self) -> None:
        """The roles as they were before the last choice."""
        self.roles.undo()

    def redo(self) -> None:
        """Do again what was taken back."""
        self.roles.redo()

    def _browse(self) -> None:
        name = QFileDialog.getExistingDirectory(self, tr("The project's folder"))
        if name:
            self.folder.setText(name)


def _preview(name: str) -> Preview:
    # In a thread: what reads files takes a second to load, and the window is there before.
    from churnkit.usecases.projects.previewing import preview

    return preview(name)


def _free(folder: Path) -> Path:
    """A folder of this name that holds no project yet."""
    tried, number = folder, 2
    while (tried / "churnkit.toml").exists():
        tried, number = folder.with_name(f"{folder.name}-{number}"), number + 1
    return tried
