"""Charts that are half made, hidden, cleared or asked for a picture, and their mouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.theme.style import Theme
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QWheelEvent
from PySide6.QtWidgets import QApplication

from churnkit.errors import ChurnkitError, StorageError


@pytest.fixture
def chart(qtbot: Any, qapp: Any) -> Iterator[Chart]:
    chart = Chart(Theme(qapp, "light"), "test", x_label="x", y_label="y")
    qtbot.addWidget(chart)
    chart.resize(600, 400)
    yield chart


def _half_made(chart: Chart) -> None:
    """The plot is there, and one of two curves."""
    chart.line("a", [0, 1], [0, 1])
    chart.line("b", [0, 1], [1, 0], colour=1)
    for _ in range(3):
        assert chart.make_part()
    assert not chart.is_made and chart.names() == ("a", "b")


def _has(image: QImage, colour: str) -> bool:
    wanted = QColor(colour).rgb()
    return any(
        image.pixel(x, y) == wanted for x in range(image.width()) for y in range(image.height())
    )


def test_a_picture_of_a_half_made_chart_is_whole(chart: Chart) -> None:
    _half_made(chart)
    image = chart.image()
    for colour in chart._theme.tokens.series[:2]:
        assert _has(image, colour)


def test_a_half_made_chart_that_is_hidden_gets_whole_when_it_is_seen_again(
    qtbot: Any, chart: Chart
) -> None:
    _half_made(chart)
    chart.show()
    chart.hide()
    qtbot.wait(60)
    assert not chart.is_made
    chart.drop("a")
    chart.line("c", [0, 1], [2, 2], colour=2)
    chart._theme.choose("dark")
    chart.show()
    qtbot.waitUntil(lambda: chart.is_made, timeout=5_000)
    assert chart.names() == ("b", "c") and chart.plot.updatesEnabled()
    shown = chart.grab().toImage()
    tokens = chart._theme.tokens
    assert tokens.name == "dark" and _has(shown, tokens.series[2]) and _has(shown, tokens.surface)
    assert not _has(shown, tokens.series[0])


def test_the_last_word_at_the_axis_counts_though_it_was_said_before(chart: Chart) -> None:
    for unit in ("customers", "euros", "customers"):
        chart.units(unit)
        chart.line("a", [0, 1], [0, 1])
    assert chart.names() == ("a",), "a unit is no series"
    chart.clear()
    chart.make_plot()
    assert chart.plot.getAxis("left").labelText == "customers"


def test_a_grid_has_the_colours_of_the_theme_that_is_chosen(qtbot: Any, chart: Chart) -> None:
    chart.line("a", [0, 1], [0, 1])
    chart.show()
    qtbot.waitUntil(lambda: chart.is_made, timeout=5_000)
    for name in ("light", "dark", "light"):
        chart._theme.choose(name)
        image, tokens = chart.grab().toImage(), chart._theme.tokens
        line, ground = QColor(tokens.line).lightness(), QColor(tokens.surface).lightness()
        seen = {
            QColor(image.pixel(x, image.height() // 3)).lightness()
            for x in range(image.width() * 6 // 10, image.width() * 9 // 10)
        }
        between = [light for light in seen if min(line, ground) < light < max(line, ground)]
        assert between, f"{name}: lines of the grid between {line} and {ground}, got {seen}"


def _wheel(chart: Chart, at: QPoint) -> None:
    plot = chart.plot
    event = QWheelEvent(
        QPointF(at),
        QPointF(plot.mapToGlobal(at)),
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ControlModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(plot.viewport(), event)


def _reach(chart: Chart) -> list[float]:
    return [end for axis in chart.plot.viewRange() for end in axis]


def test_the_wheel_zooms_both_ways_on_the_plot_and_one_way_on_an_axis(
    qtbot: Any, chart: Chart
) -> None:
    chart.line("a", [0, 1], [0, 1])
    chart.show()
    qtbot.waitUntil(lambda: chart.is_made, timeout=5_000)
    qtbot.wait(50)
    left, right, low, high = _reach(chart)
    _wheel(chart, QPoint(300, 200))
    now = _reach(chart)
    assert now[1] - now[0] < right - left and now[3] - now[2] < high - low
    _wheel(chart, QPoint(300, chart.plot.height() - 12))
    again = _reach(chart)
    assert again[1] - again[0] < now[1] - now[0] and again[2:] == now[2:]
    _wheel(chart, QPoint(12, 200))
    assert _reach(chart)[:2] == again[:2] and _reach(chart)[3] - _reach(chart)[2] < now[3] - now[2]


def test_an_upright_line_is_dragged_by_the_mouse(qtbot: Any, chart: Chart) -> None:
    told: list[float] = []
    chart.line("a", [0, 10], [0, 1])
    chart.slider("date", 5.0, told.append)
    chart.show()
    qtbot.waitUntil(lambda: chart.is_made, timeout=5_000)
    qtbot.wait(50)
    view = chart.plot.getPlotItem().getViewBox()
    begin, end = (chart.plot.mapFromScene(view.mapViewToScene(QPointF(x, 0.7))) for x in (5.0, 8.0))
    port = chart.plot.viewport()
    qtbot.mouseMove(port, begin)
    qtbot.mousePress(port, Qt.MouseButton.LeftButton, pos=begin)
    for step in range(1, 11):
        qtbot.mouseMove(port, begin + (end - begin) * step / 10)
        qtbot.wait(15)
    qtbot.mouseRelease(port, Qt.MouseButton.LeftButton, pos=end)
    assert told and abs(told[-1] - 8.0) < 0.3


def test_charts_behind_one_that_cannot_be_drawn_are_drawn(qtbot: Any, chart: Chart) -> None:
    other = Chart(chart._theme, "other", x_label="x", y_label="y")
    qtbot.addWidget(other)
    chart.line("a", [0, 1], [0, 1])

    def fail() -> None:
        raise ValueError("no such thing")

    chart.later["line", "a"] = fail
    with qtbot.captureExceptions() as raised:
        chart.show()
        other.show()
        qtbot.waitUntil(lambda: other.is_made, timeout=5_000)
    assert [str(one[1]) for one in raised] == ["no such thing"]


def test_names_of_series_stand_above_the_plot_in_as_many_lines_as_it_takes(
    qtbot: Any, chart: Chart
) -> None:
    names = ("call, <b>10 %</b> off", "logistic regression", "hist gradient boosting", "best")
    for colour, name in enumerate(names):
        chart.line(name, [0, 1], [0, 1], colour=colour)
    chart.show()
    qtbot.waitUntil(lambda: chart.is_made, timeout=5_000)
    view, legend = chart.plot.getPlotItem().getViewBox(), chart.legend

    def covered() -> float:
        shown = legend.mapRectToScene(legend.childrenBoundingRect())
        return float((shown & view.sceneBoundingRect()).height())

    heights = []
    for width in (900, 500, 300):
        chart.resize(width, 400)
        qtbot.wait(50)
        assert covered() <= 1, "a curve is covered"
        assert legend.childrenBoundingRect().right() <= legend.size().width()
        heights.append(legend.size().height())
    assert heights == sorted(set(heights)), "a narrow chart has more lines of names"
    assert legend.items[0][1].item.toPlainText() == names[0], "a name is no HTML"
    assert _has(chart.image(), chart._theme.tokens.text)
    chart.clear()
    qtbot.wait(50)
    assert not legend.items and legend.size().height() == 0


@pytest.mark.parametrize("kind", ["png", "svg", "csv"])
def test_a_chart_is_written_whole_or_not_at_all(chart: Chart, tmp_path: Path, kind: str) -> None:
    chart.line("a", [0, 1], [0, 1])
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        chart.save(tmp_path / "file" / f"chart.{kind}")
    chart.save(tmp_path / f"chart.{kind}")
    assert (tmp_path / f"chart.{kind}").stat().st_size > 20
    with pytest.raises(ChurnkitError, match="no kind of picture"):
        chart.save(tmp_path / "chart.nothing")
    assert {path.name for path in tmp_path.iterdir()} == {"file", f"chart.{kind}"}
