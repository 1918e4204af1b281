"""At the right end of the status bar: what is being done, and how to stop it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QLabel, QPushButton, QStatusBar

from churnkit_desktop.language import tr
from churnkit_desktop.work.bench import Bench


class WorkBar:
    """Two widgets of a status bar.

    Parameters
    ----------
    bar : gets them
    bench : gives whoever does long work now; None: nothing is open
    """

    def __init__(self, bar: QStatusBar, bench: Callable[[], Bench | None]) -> None:
        self._bench = bench
        self.text = QLabel("")
        self.stop = QPushButton(tr("Cancel"))
        self.stop.clicked.connect(self._cancel_all)
        self.stop.hide()
        bar.addPermanentWidget(self.text)
        bar.addPermanentWidget(self.stop)

    def show_work(self) -> None:
        """Say what runs."""
        bench = self._bench()
        jobs = bench.running() if bench is not None else ()
        self.text.setText(" · ".join(job.action.title or job.action.verb for job in jobs))
        self.stop.setVisible(bool(jobs))

    def _cancel_all(self) -> None:
        bench = self._bench()
        for job in bench.running() if bench is not None else ():
            bench.cancel(job.action.verb)  # type: ignore[union-attr]  # it has jobs
