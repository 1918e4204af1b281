"""Widgets that nobody holds any more are destroyed between two turns of the event loop.

In the first test a chart's own menus are garbage: they have no parent, and pyqtgraph's objects
hold each other. Python's own collection met them within the setting of a style sheet, and Qt went
on with a widget that was gone; or met them in a worker's thread, which then never came back.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from churnkit_desktop.app import end
from churnkit_desktop.garbage import FULL_EVERY, MOST, Garbage
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.session.keys import Keys
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.theme.style import Theme
from PySide6.QtCore import QCoreApplication, QEvent

ROUNDS = 40
CHARTS = 3
MENUS = 7
"""Of one chart: pyqtgraph's, which have no parent and so outlive it until they are collected."""
SCRIPT = """
import threading
from PySide6.QtCore import QCoreApplication, QEvent, QTimer
from PySide6.QtWidgets import QWidget
from churnkit_desktop.app import make_application
from churnkit_desktop.garbage import Garbage
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.theme.style import Theme

application = make_application()
theme = Theme(application, "light")
made = lambda: [[] for _ in range(90_000)]  # enough for Python to look for garbage

class Maker(QWidget):
    def changeEvent(self, event):
        made()

makers = [Maker() for _ in range(3)]
for maker in makers:
    maker.show()
for _ in range(12):
    chart = Chart(theme, "x", x_label="a", y_label="b")
    chart.make_plot()
    chart.plot.getPlotItem().ctrlMenu.ensurePolished()
    chart.deleteLater()
    del chart
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
widgets = len(application.allWidgets())
theme.choose("dark")
worker = threading.Thread(target=made)
worker.start()
worker.join()
assert len(application.allWidgets()) == widgets, "collected at a wrong moment"
garbage = application.findChild(Garbage)
QTimer.singleShot(0, lambda: (garbage.tick(), application.quit()))
application.exec()
print(widgets, len(application.allWidgets()), flush=True)
"""


def test_nothing_is_collected_within_qt_or_in_a_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert after == 3 < before


def test_what_imports_made_is_not_gone_through(
    garbage: Garbage, monkeypatch: pytest.MonkeyPatch
) -> None:
    garbage.tick()
    frozen = gc.get_freeze_count()
    kept = [[] for _ in range(1_000)]  # type: ignore[var-annotated]
    monkeypatch.setitem(sys.modules, "one_more", sys)
    garbage.tick()
    assert gc.get_freeze_count() >= frozen + len(kept)


def test_much_that_stays_is_gone_through_once_and_no_garbage_is_kept(garbage: Garbage) -> None:
    class Thing(list[object]):
        pass

    garbage.tick()
    kept = [[] for _ in range(MOST + 1_000)]  # type: ignore[var-annotated]
    gone = Thing()
    gone.append(gone)
    seen = weakref.ref(gone)
    del gone
    frozen = gc.get_freeze_count()
    garbage._ticks = -1
    garbage.tick()
    assert seen() is None
    assert gc.get_freeze_count() > frozen + MOST
    assert kept


def test_a_window_that_is_gone_hears_no_more_of_the_theme(qapp: Any, memory: Memory) -> None:
    theme = Theme(qapp, "light")
    windows = [MainWindow(theme, memory, Keys(uses_keyring=False)) for _ in range(2)]
    heard = len(theme.changed._listeners)
    windows[0].close()
    windows[0].deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert len(theme.changed._listeners) == heard - 1
    theme.choose("dark")
    theme.choose("light")
    windows[1].close()
    windows[1].deleteLater()


@pytest.mark.long
def test_windows_come_and_go_while_the_theme_changes(
    qapp: Any, memory: Memory, garbage: Garbage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers make garbage all the while.

    The ticks are the test's own, two a round, one of them while the windows are open: whatever
    lives through a tick has become old, and if it is garbage later, the next full collection takes
    it. So of each round the charts' menus wait for that one, and then nothing is left.
    """
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.02):
            pairs = [([], []) for _ in range(500)]  # type: ignore[var-annotated]
            for left, right in pairs:
                left.append(right)
                right.append(left)

    garbage._timer.stop()
    monkeypatch.setattr(garbage, "_ticks", 0)
    widgets: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(work)
        try:
            for number in range(ROUNDS):
                theme = Theme(qapp, "dark" if number % 2 else "light")
                window = MainWindow(theme, memory, Keys(uses_keyring=False))
                charts = [
                    Chart(theme, f"{i}", x_label="x", y_label="y", time=bool(i))
                    for i in range(CHARTS)
                ]
                for chart in charts:
                    window.stack.addWidget(chart)
                    window.stack.setCurrentWidget(chart)
                    chart.line("a", range(50), range(50))
                window.show()
                qapp.processEvents()
                charts[0].plot.repaint()
                garbage.tick()
                other = MainWindow(theme, memory, Keys(uses_keyring=False))
                theme.choose("light" if number % 2 else "dark")
                for one in (window, other):
                    one.close()
                    one.deleteLater()
                theme.choose("dark" if number % 2 else "light")
                QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
                del window, other, charts, chart, one
                garbage.tick()
                widgets.append(len(qapp.allWidgets()))
        finally:
            stop.set()
            garbage._timer.start()
    every = FULL_EVERY // 2
    left = widgets[every - 1 :: every]
    assert max(left) == left[0], f"widgets are left for ever: {left}"
    for number, count in enumerate(widgets[every:]):
        waits = (number + 1) % every * CHARTS * MENUS
        assert count <= left[0] + waits, f"round {number}: {widgets}"


def test_the_end_leaves_garbage_to_python_again(
    qapp: Any, memory: Memory, garbage: Garbage
) -> None:
    window = MainWindow(Theme(qapp, "light"), memory, Keys(uses_keyring=False))
    end(qapp, window)
    assert gc.isenabled() and gc.get_freeze_count() == 0
    garbage.start()
    assert not gc.isenabled()
