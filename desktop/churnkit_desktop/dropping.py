"""What is dragged onto the window: a file to import, or a project to open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QObject, Qt, QTimer
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from churnkit.errors import ChurnkitError
from churnkit_desktop.language import tr
from churnkit_desktop.runner import Runner
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import label

PROJECT_FILE = "churnkit.toml"
_HEAD_ROWS = 100


@dataclass(frozen=True)
class Dragged:
    """What a person means by it.

    Parameters
    ----------
    path : the file to import, or the project's folder
    is_project : whether it is opened, not imported
    problem : why it cannot be used; None: it can
    """

    path: Path
    is_project: bool = False
    problem: ChurnkitError | None = None

    @property
    def promise(self) -> str:
        """What letting go will do."""
        if self.problem is not None:
            return self.problem.what
        if self.is_project:
            return tr("Let go to open the project “{name}”").format(name=self.path.name)
        return tr("Let go to make a new project from “{name}”").format(name=self.path.name)


def dragged(data: QMimeData) -> Dragged | None:
    """What is dragged; None: no file, but a text or a picture, say."""
    urls = data.urls()
    if not urls:
        return None
    path = Path(urls[0].toLocalFile())
    if len(urls) > 1:
        return _refused(
            path,
            tr("{n} files at once cannot be imported.").format(n=len(urls)),
            tr("Drop one: a project begins with one table of customers."),
        )
    if not urls[0].isLocalFile():
        return _refused(
            path,
            tr("this file is not on this computer."),
            tr("Save it here first, then drop it again."),
        )
    if path.is_dir():
        return Dragged(path, is_project=True)
    if path.name == PROJECT_FILE:
        return Dragged(path.parent, is_project=True)
    return Dragged(path)


def _refused(path: Path, what: str, fix: str) -> Dragged:
    return Dragged(path, problem=ChurnkitError(what, fix=fix))


class DropZone(QObject):
    """Takes files that are dragged onto a window; says above its screens what is no table.

    Parameters
    ----------
    window : where they are let go
    runner : looks at a file before anything that is open is left
    open_project, import_file : told of what was let go
    """

    def __init__(
        self,
        window: QWidget,
        runner: Runner,
        open_project: Callable[[str], None],
        import_file: Callable[[str], None],
    ) -> None:
        super().__init__(window)
        self._window, self._runner = window, runner
        self._open_project, self._import_file = open_project, import_file
        self.banner = Banner()
        self.banner.offer(tr("Close"), self.banner.hide)
        self.hint = QFrame(window)
        self.hint.setObjectName("dropHint")
        self.hint.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._promise = label("", "title", wrap=True)
        self._promise.setAlignment(Qt.AlignmentFlag.AlignCenter)
        QVBoxLayout(self.hint).addWidget(self._promise)
        self.hint.hide()
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Drags and drops of the window; all else goes on."""
        if event.type() == QEvent.Type.DragEnter:
            assert isinstance(event, QDragEnterEvent)
            return self._enter(event)
        if event.type() == QEvent.Type.DragLeave:
            self.hint.hide()
            return True
        if event.type() == QEvent.Type.Drop:
            assert isinstance(event, QDropEvent)
            return self._let_go(event)
        return False

    def _enter(self, event: QDragEnterEvent) -> bool:
        found = dragged(event.mimeData())
        if found is None:
            return False
        event.acceptProposedAction()
        said = found.promise
        self._promise.setText(said[:1].upper() + said[1:])
        self.hint.setGeometry(self._window.rect().adjusted(12, 12, -12, -12))
        self.hint.show()
        self.hint.raise_()
        return True

    def _let_go(self, event: QDropEvent) -> bool:
        self.hint.hide()
        found = dragged(event.mimeData())
        if found is None:
            return False
        event.acceptProposedAction()
        # Leave the drag's own loop first: the other program waits for its end.
        QTimer.singleShot(0, self, lambda: self._use(found))
        return True

    def _use(self, found: Dragged) -> None:
        self.banner.show_error(found.problem)
        if found.problem is not None:
            return
        name = str(found.path)
        if found.is_project:
            self._open_project(name)
            return
        # What is open is left only for a file that can be read.
        self._runner.run(
            "drop",
            lambda: _look(name),
            lambda _seen: self._import_file(name),
            self.banner.show_error,
        )


def _look(name: str) -> object:
    # In a thread: what reads files takes a second to load, and the window is there before.
    from churnkit.usecases.projects.previewing import preview

    return preview(name, n_rows=_HEAD_ROWS)
