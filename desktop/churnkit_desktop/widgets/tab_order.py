"""What is made late comes last where Tab goes; here it gets the place where it stands."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget


def take_place(holder: QWidget, parts: Iterable[QWidget]) -> None:
    """Let Tab come to these, one after the other, where it would come to their holder."""
    before = holder.previousInFocusChain()
    while before not in (None, holder) and not before.focusPolicy() & Qt.FocusPolicy.TabFocus:
        before = before.previousInFocusChain()
    if before in (None, holder):  # there is nothing else to stop at
        return
    for part in parts:
        QWidget.setTabOrder(before, part)
        before = part
