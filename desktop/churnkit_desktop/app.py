"""The application: a window first, everything heavy afterwards."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QTimer
from PySide6.QtWidgets import QApplication

from churnkit_desktop.garbage import Garbage
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.theme.icons import icon
from churnkit_desktop.theme.style import Theme

SMALLEST_LETTERS = 10.5
"""Points; a system that sets larger letters keeps them."""

LOCK_SECONDS = 0.001
"""So long a thread may keep Python's lock when another one wants it."""


def make_application() -> QApplication:
    """The one QApplication of the process."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    application.setApplicationName("churnkit")
    application.setApplicationDisplayName("churnkit")
    application.setDesktopFileName("churnkit")
    application.setStyle("Fusion")  # the same on every system; its colours are ours
    font = application.font()
    font.setPointSizeF(max(font.pointSizeF(), SMALLEST_LETTERS))
    application.setFont(font)
    # The event loop waits less long for Python's lock while workers compute.
    sys.setswitchinterval(LOCK_SECONDS)
    if application.findChild(Garbage) is None:
        Garbage(application).start()
    return application


def end(application: QApplication, window: MainWindow) -> None:
    """Destroy the last window and all that it held, while the application is there for them."""
    window.close()
    window.deleteLater()
    del window
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    garbage = application.findChild(Garbage)
    if isinstance(garbage, Garbage):
        garbage.stop()


def run(place: str = "", state_folder: Path | None = None) -> int:
    """Open the console, on a project or on what was open last; gives the exit code."""
    application = make_application()
    memory = Memory(state_folder)
    theme = Theme(application, str(memory.general().get("theme", "system")))
    application.setWindowIcon(icon("churnkit", theme.tokens.accent, 64))
    window = MainWindow(theme, memory)
    window.show()
    # Ctrl-C in the terminal that started it: Python looks at signals only when it runs.
    signal.signal(signal.SIGINT, lambda *_: application.quit())
    signal.signal(signal.SIGTERM, lambda *_: application.quit())
    pulse = QTimer()
    pulse.start(200)
    pulse.timeout.connect(lambda: None)
    QTimer.singleShot(0, lambda: window.begin(place))
    code = application.exec()
    end(application, window)
    return code
