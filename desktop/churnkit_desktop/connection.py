"""The window's timer on the connection: takes news off the line, says when it is lost."""

from __future__ import annotations

import time

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QPushButton

from churnkit.client.messages.feed import FeedEvent
from churnkit_desktop.backend.live import Live, Outage
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.words import plural

TICK_MS = 100
MOST_PER_TICK = 200
"""News of one tick: what comes faster than can be shown is taken by the next ones."""
_GRACE_SECONDS = 0.6
_AGAIN_SECONDS = 2.0
_CHANGES = frozenset({"journal", "retraining"})


class Connection(QObject):
    """Watches the place that is open."""

    def __init__(self) -> None:
        super().__init__()
        self.banner = Banner()
        self.banner.offer(tr("Try now"), self._try_now)
        self.give_up = QPushButton(tr("Do not wait"))
        self.give_up.setToolTip(tr("What waits is not sent; what was typed stays."))
        self.give_up.clicked.connect(self._give_up)
        self.banner.add(self.give_up)
        self._desk: Desk | None = None
        self._live: Live | None = None
        self._lost = False
        self._read_at = self._second_at = 0.0
        self._read_again = False
        self._shown = ""
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)

    def watch(self, desk: Desk | None) -> None:
        """Watch the connection of this place; None: of none."""
        self._desk = desk
        self._live = desk.backend.live if desk is not None else None
        self._lost = self._read_again = False
        self._show("")
        if self._live is not None:
            self._timer.start()
        else:
            self._timer.stop()

    def _tick(self) -> None:
        live, desk = self._live, self._desk
        if live is None or desk is None:
            return
        now = time.monotonic()
        outage = live.outage
        self._say(outage, now)
        if outage is None and self._lost:
            self._read_again = True  # what failed while it was away is read now
        self._lost = outage is not None
        fresh: list[FeedEvent] = []
        while live.news and len(fresh) < MOST_PER_TICK:
            fresh.append(live.news.popleft())
        if now - self._second_at >= 1.0:
            self._second_at = now
            desk.second()
        if fresh:
            desk.news(fresh)
            self._read_again |= any(event.kind in _CHANGES for event in fresh)
        if self._read_again and now - self._read_at > _AGAIN_SECONDS:
            self._read_at, self._read_again = now, False
            desk.changed()

    def _say(self, outage: Outage | None, now: float) -> None:
        if outage is None or now - outage.since < _GRACE_SECONDS:
            self._show("")
            return
        seconds = max(0, round(outage.next_try - now))
        when = tr("in {seconds} s").format(seconds=seconds) if seconds else "now"
        waits = (
            tr(" {waiting} will be done when it is back.").format(
                waiting=plural(outage.waiting, "action")
            )
            if outage.waiting
            else ""
        )
        self._show(
            tr("Trying again {when}. What you typed is kept.{waits}").format(
                when=when, waits=waits
            ),
            outage,
        )

    def _show(self, detail: str, outage: Outage | None = None) -> None:
        if detail == self._shown:
            return
        self._shown = detail
        title = (
            tr("The connection is lost: {why}.").format(why=outage.why)
            if outage is not None
            else ""
        )
        self.banner.show_notice(title, detail)
        self.give_up.setVisible(bool(outage and outage.waiting))

    def _try_now(self) -> None:
        if self._live is not None:
            self._live.try_now()

    def _give_up(self) -> None:
        if self._live is not None:
            self._live.give_up()
