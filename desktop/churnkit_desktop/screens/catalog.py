"""All screens, in the order of the navigation; each is made when it is first looked at."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from PySide6.QtWidgets import QWidget

from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.theme.style import Theme


@dataclass(frozen=True)
class Entry:
    """One screen.

    Parameters
    ----------
    key : names it in the memory, and its package below ``churnkit_desktop.screens``
    title : in the navigation
    hint : what it is for, in the command palette
    """

    key: str
    title: str
    hint: str

    def make(self, desk: Desk, theme: Theme, parent: QWidget) -> QWidget:
        """The view; its module is imported now, not at the start."""
        module = importlib.import_module(f"churnkit_desktop.screens.{self.key}.view")
        widget: QWidget = module.make(desk, theme, parent)
        return widget


SCREENS = (
    Entry("overview", tr("Overview"), tr("who is at risk, what changed, what needs a decision")),
    Entry("data", tr("Data"), tr("what was imported, and what is suspicious about it")),
    Entry("features", tr("Features"), tr("what is computed for a customer at a date")),
    Entry("train", tr("Train"), tr("search for the best model")),
    Entry("models", tr("Models"), tr("compare versions, promote, roll back")),
    Entry("customers", tr("Customers"), tr("all scores, why, and whom it pays to contact")),
    Entry("score_one", tr("Score one"), tr("a single new customer")),
    Entry("experiments", tr("Experiments"), tr("does an offer, or another model, do better?")),
    Entry(
        "rollout", tr("Rollout"), tr("may the challenger take over? stages, evidence, decisions")
    ),
    Entry("monitor", tr("Monitor"), tr("live figures, drift, quality by month, alerts")),
    Entry("settings", tr("Settings"), tr("colours, services and their keys, what is kept where")),
)


def warm() -> None:
    """Read all modules of the screens, off the event loop: it takes half a second."""
    for entry in SCREENS:
        importlib.import_module(f"churnkit_desktop.screens.{entry.key}.view")
