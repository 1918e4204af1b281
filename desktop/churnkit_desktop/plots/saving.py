"""A chart as a picture or as its values: PNG, SVG, CSV, and the clipboard."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QGraphicsView

from churnkit.errors import ChurnkitError
from churnkit.files import whole_file
from churnkit_desktop.language import tr

KINDS = tr("PNG (*.png);;SVG (*.svg);;CSV (*.csv)")
SCALE = 2
"""A picture has so many times the points of the screen."""


def image_of(plot: QGraphicsView, background: str) -> QImage:
    """The chart as it stands."""
    size = plot.size()
    image = QImage(size * SCALE, QImage.Format.Format_ARGB32)
    image.fill(QColor(background))
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    plot.render(painter, QRectF(image.rect()), plot.rect())
    painter.end()
    return image


def text_of(table: Sequence[Sequence[object]]) -> str:
    """Values as a spreadsheet pastes them."""
    return "\n".join("\t".join(map(str, line)) for line in table)


def save(
    path: Path, plot: QGraphicsView, table: Sequence[Sequence[object]], background: str
) -> None:
    """Write PNG, SVG or CSV, as the name ends; the file appears whole or not at all.

    Raises
    ------
    DiskFull, FolderReadOnly : it cannot be written
    """
    kind = path.suffix.casefold()
    with whole_file(path) as temporary:
        temporary.touch()  # Qt does not say why it cannot write; this does
        if kind == ".csv":
            with temporary.open("w", newline="", encoding="utf-8") as stream:
                csv.writer(stream).writerows(table)
        elif kind == ".svg":
            _write_svg(temporary, plot)
        elif not image_of(plot, background).save(str(temporary)):
            raise ChurnkitError(
                tr(
                    "'{suffix}' is no kind of picture that can be written, or the "
                    "folder cannot be written to."
                ).format(suffix=path.suffix),
                fix=tr("End the name with .png, .svg or .csv."),
                file=path,
            )


def _write_svg(path: Path, plot: QGraphicsView) -> None:
    generator = QSvgGenerator()
    generator.setFileName(str(path))
    generator.setSize(plot.size())
    generator.setViewBox(plot.rect())
    painter = QPainter(generator)
    plot.render(painter)
    painter.end()
