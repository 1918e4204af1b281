"""Numbers, shares, amounts and dates are written as a person chose, on all screens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from churnkit_desktop import formats, words
from churnkit_desktop.formats import CHOICES, Formats
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.session.memory import Memory

from churnkit.domain.evaluation import Estimate
from tests.desktop.conftest import WAIT_MS, Open

MOMENT = datetime(2026, 3, 31, 14, 5).astimezone()


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests read the first of each."""
    yield
    formats.use(Formats())


def test_what_nobody_chose_is_plain_english() -> None:
    assert words.percent(0.1234) == "12.3 %"
    assert words.whole(1234567) == "1,234,567"
    assert words.money(1234.5, "EUR") == "1,234 EUR"
    assert words.estimate(Estimate(value=0.5, low=0.25, high=0.75)) == "0.500  [0.250, 0.750]"
    assert words.day(MOMENT) == "2026-03-31 14:05"


def test_another_country_reads_its_own_figures() -> None:
    formats.use(Formats("1.234,5", "12.3 %", "EUR 100", "31.03.2026 14:05"))
    assert words.percent(0.1234) == "12,3 %"
    assert words.whole(1234567) == "1.234.567"
    assert words.money(-12.5, "EUR") == "EUR -12,50"
    assert words.points(0.123) == "+12,3"
    assert words.estimate(Estimate(value=0.5, low=0.25, high=0.75)) == "0,500  [0,250; 0,750]"
    assert words.day(MOMENT) == "31.03.2026 14:05"


def test_a_share_may_be_a_number_between_0_and_1() -> None:
    formats.use(Formats(shares="0.123"))
    assert words.percent(0.1234) == "0.123"
    assert words.percent(0.1234, 2) == "0.1234"


@pytest.mark.parametrize("told", [None, [], {"numbers": "1'234"}, {"dates": 3, "more": "x"}])
def test_what_is_not_known_any_more_is_as_if_nobody_had_chosen(told: Any) -> None:
    assert formats.remembered(told) == Formats()


def test_every_choice_is_shown_by_itself() -> None:
    for numbers in CHOICES["numbers"]:
        formats.use(Formats(numbers=numbers))
        assert formats.number("1,234.5").replace("\u202f", " ") == numbers


def test_how_long_since() -> None:
    now = datetime(2026, 3, 31, tzinfo=UTC)
    for seconds, said in ((5, "just now"), (95, "1 minute ago"), (7_300, "2 hours ago"),
                          (200_000, "2 days ago")):  # fmt: skip
        assert words.ago(now - timedelta(seconds=seconds), now) == said


def test_a_choice_on_the_settings_is_used_at_once_and_the_next_time(
    qtbot: Any, console: Open, folder: Path, memory: Memory
) -> None:
    window: MainWindow = console(folder)
    window.go("settings")
    view: Any = window._views["settings"]
    box = view.formats["numbers"]
    box.setCurrentText("1.234,5")
    box.textActivated.emit("1.234,5")
    view.language.setCurrentIndex(view.language.findData("de"))
    view.language.activated.emit(view.language.currentIndex())
    assert words.percent(0.5) == "50,0 %"
    window.go("overview")
    overview: Any = window._views["overview"]
    qtbot.waitUntil(lambda: not overview.presenter.busy, timeout=WAIT_MS)
    formats.use(Formats())
    assert Memory(memory.folder).general()["formats"]["numbers"] == "1.234,5"
    assert Memory(memory.folder).general()["language"] == "de"
    console()
    assert words.percent(0.5) == "50,0 %"
