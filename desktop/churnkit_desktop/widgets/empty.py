"""An empty screen says what to do next."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from churnkit_desktop.widgets.layout import label


class Empty(QWidget):
    """A sentence and, where there is a way on, a button.

    Parameters
    ----------
    title, text : why it is empty, and what to do
    button, pressed : the way on; empty: none
    """

    def __init__(
        self,
        title: str,
        text: str,
        button: str = "",
        pressed: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.setSpacing(10)
        head = label(title, "heading")
        head.setAlignment(Qt.AlignmentFlag.AlignCenter)
        words = label(text, "faint", wrap=True)
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        words.setMinimumWidth(420)
        words.setMaximumWidth(520)
        column.addWidget(head)
        column.addWidget(words)
        self.button = QPushButton(button)
        self.button.setObjectName("primary")
        if pressed is not None:
            self.button.clicked.connect(lambda: pressed())
        column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignCenter)
        self.button.setVisible(bool(button))
