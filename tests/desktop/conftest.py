"""A window on Qt's offscreen platform; each test starts with a memory of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from churnkit_desktop.app import make_application
from churnkit_desktop.garbage import Garbage
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.theme.style import Theme
from PySide6.QtCore import QCoreApplication, QEvent

from tests.copies import copy_project

WAIT_MS = 60_000


@pytest.fixture(scope="session")
def qapp() -> Any:
    """The application as the product makes it."""
    application = make_application()
    application.findChild(Garbage).stop()
    return application


@pytest.fixture(autouse=True, scope="module")
def garbage(qapp: Any) -> Iterator[Garbage]:
    """Collected as in the product; the tests of other parts get Python's own ways back."""
    garbage = qapp.findChild(Garbage)
    garbage.start()
    yield garbage
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    garbage.stop()


@pytest.fixture
def folder(served_folder: Path, tmp_path: Path) -> Path:
    """A project with a champion and a challenger that a test may change."""
    copy = tmp_path / "project"
    copy_project(served_folder, copy)
    return copy


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """What this console remembers: nothing yet."""
    return Memory(tmp_path / "memory")


Open = Callable[..., MainWindow]


@pytest.fixture
def console(qtbot: Any, qapp: Any, memory: Memory) -> Iterator[Open]:
    """Opens windows; all threads and processes of theirs are gone at the end."""
    threads = set(threading.enumerate())
    windows: list[MainWindow] = []

    def opened(place: Path | str = "", kept: Memory | None = None) -> MainWindow:
        window = MainWindow(Theme(qapp, "light"), kept or memory)
        qtbot.addWidget(window)
        window.show()
        window.begin(str(place))
        windows.append(window)
        if place:
            qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)
        return window

    yield opened
    for window in windows:
        window.close()
        window.shut()
    left = [thread for thread in threading.enumerate() if thread not in threads]
    assert not left, f"threads were left behind: {left}"
