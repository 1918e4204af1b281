"""A long job, as a card: what it is doing, how far it is, and the button that stops it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout

from churnkit_desktop.language import tr
from churnkit_desktop.widgets.layout import label
from churnkit_desktop.work.bench import Job


class JobCard(QFrame):
    """Hidden while there is no job; follows one while it runs.

    Parameters
    ----------
    cancel : stops the job
    """

    def __init__(self, cancel: Callable[[], None]) -> None:
        super().__init__()
        self.setObjectName("card")
        outer = QHBoxLayout(self)
        outer.setContentsMargins(16, 12, 16, 12)
        words = QVBoxLayout()
        self.stage = label("", "heading")
        self.detail = label("", "faint", wrap=True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(tr("Progress"))
        for part in (self.stage, self.bar, self.detail):
            words.addWidget(part)
        outer.addLayout(words, 1)
        self.stop = QPushButton(tr("Cancel"))
        self.stop.clicked.connect(lambda: cancel())
        outer.addWidget(self.stop)
        self.hide()

    def show_job(self, job: Job | None) -> None:
        """Show where a job is; hidden unless it runs."""
        if job is None or not job.running:
            self.hide()
            return
        step = job.step
        self.stage.setText(step.stage[:1].upper() + step.stage[1:])
        self.detail.setText(step.detail)
        if step.done is None:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(step.done * 1000))
        self.show()
