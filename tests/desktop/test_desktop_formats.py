"""Numbers, shares, amounts and dates are written as a person chose, on all screens."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from churnkit_desktop import formats, words
from churnkit_desktop.formats import CHOICES, Formats
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.texts import texts
from churnkit_desktop.theme.style import Theme

from churnkit.domain.evaluation import Estimate
from tests.desktop.conftest import WAIT_MS, Open

DAY = 86_400.0
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


def _axis_words(qapp: Any, chart: Chart, side: str) -> list[str]:
    """What stands at an axis as it is painted."""
    chart.plot.grab()
    axis = chart.plot.getAxis(side)
    (low, high), size = axis.range, axis.width() if side == "bottom" else axis.height()
    return [
        text
        for spacing, values in axis.tickValues(low, high, size)
        for text in axis.tickStrings(values, axis.scale, spacing)
    ]


def test_numbers_at_an_axis_are_written_as_chosen(qtbot: Any, qapp: Any) -> None:
    chart = Chart(Theme(qapp, "light"), "x", x_label="customers", y_label="gain (EUR)")
    qtbot.addWidget(chart)
    chart.resize(700, 400)
    chart.line("a", [0, 40_000], [-0.5, 0.5])
    assert "10,000" in _axis_words(qapp, chart, "bottom")
    assert "0.2" in _axis_words(qapp, chart, "left")
    before = chart.plot.getAxis("bottom").picture
    formats.use(Formats(numbers="1.234,5"))
    assert "10.000" in _axis_words(qapp, chart, "bottom")
    assert "-0,4" in _axis_words(qapp, chart, "left")
    assert chart.plot.getAxis("bottom").picture is not before, "it was drawn anew by itself"


@pytest.mark.parametrize(
    ("span", "chosen", "expected"),
    [
        (400 * DAY, "2026-03-31 14:05", r"2026-\d\d"),
        (400 * DAY, "31.03.2026 14:05", r"\d\d\.2026"),
        (20 * DAY, "2026-03-31 14:05", r"01-\d\d"),
        (20 * DAY, "31.03.2026 14:05", r"\d\d\.01\."),
        (20 * DAY, "31/03/2026 14:05", r"\d\d/01"),
        (20 * DAY, "03/31/2026 2:05 PM", r"01/\d\d"),
        (DAY, "31.03.2026 14:05", r"\d\d:00"),
        (DAY, "03/31/2026 2:05 PM", r"\d\d:00 PM"),
        (60.0, "03/31/2026 2:05 PM", r"12:00:\d\d PM"),
    ],
)
def test_dates_at_an_axis_are_written_as_chosen(
    qtbot: Any, qapp: Any, span: float, chosen: str, expected: str
) -> None:
    formats.use(Formats(dates=chosen))
    chart = Chart(Theme(qapp, "light"), "x", x_label="day", y_label="y", time=True)
    qtbot.addWidget(chart)
    chart.resize(900, 300)
    start = datetime(2026, 1, 12, 12, tzinfo=UTC).timestamp()
    chart.line("a", [start, start + span], [0, 1])
    words_there = _axis_words(qapp, chart, "bottom")
    assert any(re.fullmatch(expected, one) for one in words_there), words_there
    written = chart._say(start)
    assert written == datetime.fromtimestamp(start, UTC).strftime(formats.moment_pattern())


def test_no_two_dates_at_an_axis_stand_on_each_other(qtbot: Any, qapp: Any) -> None:
    chart = Chart(Theme(qapp, "light"), "x", x_label="day", y_label="y", time=True)
    qtbot.addWidget(chart)
    chart.resize(900, 300)
    chart.plot.grab()
    axis = chart.plot.getAxis("bottom")
    start = datetime(2026, 10, 14, tzinfo=UTC).timestamp()
    for days in (3, 10, 34, 60, 200, 900):
        places = sorted(
            place
            for _, values in axis.tickValues(start, start + days * DAY, 800)
            for place in values
        )
        apart = [after - before for before, after in pairwise(places)]
        widest = axis.fontMetrics.boundingRect("00:00 PM" if days < 5 else "0000-00").width()
        assert min(apart) / (days * DAY) * 800 >= widest, days


def test_what_is_said_leaves_the_writing_of_numbers_to_the_chosen_format() -> None:
    fixed = [text for text in texts() if re.search(r"\{\w*:", text)]
    assert not fixed, "these write a number or date in one way only"


def test_a_gap_that_is_nothing_has_no_minus() -> None:
    assert words.points(-0.0004) == words.points(0.0) == "+0.0"
