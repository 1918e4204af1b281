"""The first page: open the sample, import a file, open a project or what was open before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from churnkit.errors import ChurnkitError
from churnkit_desktop.actions import Action
from churnkit_desktop.import_page import ImportPage
from churnkit_desktop.language import tr
from churnkit_desktop.runner import Runner
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import Card, clear, label

SAMPLE_NAME = "telco-sample"


class Window(Protocol):
    """What the page asks of the window."""

    memory: Memory
    runner: Runner

    def ask_folder(self) -> None: ...
    def ask_file(self) -> None: ...
    def connect_service(self) -> None: ...
    def open_place(self, place: str, made_by: Action | None = None) -> None: ...


class Welcome(QStackedWidget):
    """Two pages: the offers, and the import of a file.

    Parameters
    ----------
    window : opens places and asks for files
    """

    def __init__(self, window: Window) -> None:
        super().__init__()
        self._window = window
        self.banner = Banner()
        page = QWidget()
        page.setObjectName("screen")
        outer = QVBoxLayout(page)
        outer.addStretch(1)
        column = QVBoxLayout()
        column.setSpacing(14)
        column.addWidget(label("churnkit", "title"))
        column.addWidget(
            label(
                tr("Whom to keep, when, with what offer, and whether the new model may take over."),
                "faint",
            )
        )
        column.addWidget(self.banner)
        cards = QHBoxLayout()
        cards.setSpacing(14)
        offers = (
            (
                tr("Open the sample"),
                tr("7,043 customers of a telephone company: look around."),
                tr("Open the sample"),
                self.open_sample,
            ),
            (
                tr("Import a file"),
                tr("CSV, Excel or Parquet, one row per customer."),
                tr("Choose a file …"),
                window.ask_file,
            ),
            (
                tr("Open a project"),
                tr("A folder that churnkit made before."),
                tr("Choose a folder …"),
                window.ask_folder,
            ),
            (
                tr("Connect to a service"),
                tr("Live scores, rollouts and monitoring, shared by a team."),
                tr("Connect …"),
                window.connect_service,
            ),
        )
        self.buttons: list[QPushButton] = []
        for heading, text, word, pressed in offers:
            card = Card(heading)
            card.setMinimumWidth(210)
            words = label(text, "faint", wrap=True)
            # The column is placed by its hints, which know nothing of lines that wrap.
            words.setMinimumHeight(3 * words.fontMetrics().lineSpacing())
            words.setAlignment(Qt.AlignmentFlag.AlignTop)
            card.body.addWidget(words, 1)
            button = QPushButton(word)
            button.setAccessibleName(heading)
            button.clicked.connect(lambda _=False, run=pressed: run())
            card.body.addWidget(button)
            self.buttons.append(button)
            cards.addWidget(card)
        self.buttons[0].setObjectName("primary")
        column.addLayout(cards)
        self._recent_head = label(tr("Opened before"), "heading")
        column.addWidget(self._recent_head)
        self._recent = QVBoxLayout()
        column.addLayout(self._recent)
        holder = QWidget()
        holder.setLayout(column)
        holder.setMaximumWidth(960)
        outer.addWidget(holder, 0, Qt.AlignmentFlag.AlignHCenter)
        outer.addStretch(2)
        self.addWidget(page)
        self.import_page = ImportPage(
            window.memory.place(""), window.runner, self._imported, self._back
        )
        self.addWidget(self.import_page)

    def fill(self, recent: Sequence[str]) -> None:
        """Show what was opened before; an import that was begun goes on."""
        clear(self._recent)
        self._recent_head.setVisible(bool(recent))
        for place in recent[:6]:
            button = QPushButton(place)
            button.setObjectName("link")
            button.clicked.connect(lambda _=False, place=place: self._window.open_place(place))
            self._recent.addWidget(button)
        if self.import_page.resume():
            self.setCurrentWidget(self.import_page)
        else:
            self.setCurrentIndex(0)

    def show_error(self, error: ChurnkitError, again: Callable[[], None]) -> None:
        """Say why something did not open."""
        self.banner.offer(tr("Try again"), again)
        self.banner.show_error(error)

    def begin_import(self, name: str) -> None:
        """Look at a file."""
        self.setCurrentWidget(self.import_page)
        self.import_page.begin(name)

    def open_sample(self) -> None:
        """Open the sample's project; the first time it is made."""
        from churnkit.usecases.projects.previewing import sample_file

        folder = default_folder(SAMPLE_NAME)
        if (folder / "churnkit.toml").is_file():
            self._window.open_place(str(folder))
            return
        self.begin_import(str(sample_file()))
        self.import_page.use_folder(str(folder))
        self.import_page.start_when_ready()

    def close_work(self) -> None:
        """Stop an import under way."""
        self.import_page.bench.close()

    def _imported(self, place: str, made_by: Action) -> None:
        self.setCurrentIndex(0)
        self._window.open_place(place, made_by)

    def _back(self) -> None:
        self.setCurrentIndex(0)


def default_folder(name: str) -> Path:
    """Where a new project goes unless a person says otherwise."""
    return Path.home() / "churnkit" / name
