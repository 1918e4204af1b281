"""Connect to a service: its address, an API key, and whether the key is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from churnkit.errors import ChurnkitError
from churnkit_desktop.backend.opening import try_service
from churnkit_desktop.language import tr
from churnkit_desktop.runner import Runner
from churnkit_desktop.session import connections
from churnkit_desktop.session.keys import NO_KEYRING, Keys
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import label


class Window(Protocol):
    """What the dialog asks of the window."""

    memory: Memory
    keys: Keys
    runner: Runner

    def open_place(self, place: str) -> None: ...


class ConnectDialog(QDialog):
    """Asks, tries, and opens; a service that refuses leaves what was typed.

    Parameters
    ----------
    window : opens the service
    url : what is known already; empty: nothing
    why : why it is asked again; None: it is the first time
    known : called when the service is known, instead of opening it
    """

    def __init__(
        self,
        window: Window,
        parent: QWidget,
        url: str = "",
        why: ChurnkitError | None = None,
        *,
        known: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(parent)
        self._window, self._known = window, known
        self._opens = opens = known is None
        self.setWindowTitle(tr("Connect to a service"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(520)
        layout = QVBoxLayout(self)
        layout.setSpacing(12)
        layout.addWidget(label(tr("Connect to a service"), "heading"))
        layout.addWidget(
            label(
                tr(
                    "Its address and an API key; who runs the service makes one with "
                    "“churnkit keys create”."
                ),
                "faint",
                wrap=True,
            )
        )
        self.banner = Banner()
        layout.addWidget(self.banner)
        form = QFormLayout()
        self.url = QLineEdit(url)
        self.url.setPlaceholderText(tr("https://churnkit.example.com"))
        self.key = QLineEdit()
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.key.setPlaceholderText(tr("ck_…"))
        form.addRow(tr("Address"), self.url)
        form.addRow(tr("API key"), self.key)
        layout.addLayout(form)
        self.keep = QCheckBox(tr("Keep the key in the system's keyring"))
        self.keep.setEnabled(False)
        layout.addWidget(self.keep)
        self.keyring = label("", "faint", wrap=True)
        layout.addWidget(self.keyring)
        bar = QHBoxLayout()
        bar.addStretch(1)
        cancel = QPushButton(tr("Cancel"))
        cancel.clicked.connect(self.reject)
        self.connect_button = QPushButton(tr("Connect") if opens else tr("Add"))
        self.connect_button.setObjectName("primary")
        self.connect_button.setDefault(True)
        self.connect_button.clicked.connect(self.go)
        bar.addWidget(cancel)
        bar.addWidget(self.connect_button)
        layout.addLayout(bar)
        self.url.textChanged.connect(lambda _text: self._enable())
        self._enable()
        if why is not None:
            self.banner.show_notice(f"{why.what[:1].upper()}{why.what[1:]}", why.fix)
        (self.key if url else self.url).setFocus()
        window.runner.run("keyring", window.keys.available, self._keyring, self._no_keyring)

    def go(self) -> None:
        """Try the service; keep and open it when it answers."""
        url, key = connections.normal(self.url.text()), self.key.text().strip()
        keep, keys = self.keep.isChecked(), self._window.keys
        self.banner.show_error(None)
        self.connect_button.setEnabled(False)
        self.connect_button.setText(tr("Connecting …"))

        def try_it() -> str:
            try_service(url, key or keys.get(url))
            if key:
                keys.put(url, key, keep=keep)
            return url

        self._window.runner.run("connect", try_it, self._works, self._fails)

    def _works(self, url: str) -> None:
        connections.add(self._window.memory, url)
        self.accept()
        if self._known is None:
            self._window.open_place(url)
        else:
            self._known()

    def _fails(self, error: ChurnkitError) -> None:
        self.connect_button.setText(tr("Connect") if self._opens else tr("Add"))
        self._enable()
        self.banner.show_error(error)

    def _keyring(self, there: bool) -> None:
        self.keep.setEnabled(there)
        self.keep.setChecked(there)
        if not there:
            self.keyring.setText(NO_KEYRING)

    def _no_keyring(self, error: ChurnkitError) -> None:
        self.keyring.setText(f"{NO_KEYRING} ({error.what})")

    def _enable(self) -> None:
        self.connect_button.setEnabled(bool(self.url.text().strip()))
