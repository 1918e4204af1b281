"""Small line icons, drawn here as SVG in the colour of the text."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

_SHAPES = {
    "overview": '<path d="M3 11l9-7 9 7"/><path d="M5 10v10h14V10"/><path d="M10 20v-6h4v6"/>',
    "data": '<ellipse cx="12" cy="6" rx="8" ry="3"/><path d="M4 6v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6"/>'
    '<path d="M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3"/>',
    "features": '<path d="M4 20V4M4 20h16"/><path d="M8 16v-4M12 16V8M16 16v-6"/>',
    "train": '<path d="M4 18l5-6 4 3 7-9"/><path d="M15 6h5v5"/>',
    "models": '<path d="M12 3l8 4.5v9L12 21l-8-4.5v-9z"/><path d="M4 7.5l8 4.5 8-4.5M12 12v9"/>',
    "customers": '<circle cx="9" cy="8" r="3.5"/><path d="M2.5 20c.6-4 3-6 6.500-6s6 2 6.500 6"/>'
    '<path d="M16 5a3.500 3.500 0 010 6.500M18 14.500c2 .8 3.200 2.600 3.500 5.500"/>',
    "score_one": '<circle cx="12" cy="12" r="9"/><circle cx="12" cy="12" r="4.500"/>'
    '<path d="M12 1v4M12 19v4M1 12h4M19 12h4"/>',
    "rollout": '<path d="M4 20h4v-5h4v-5h4V5h4"/>',
    "experiments": '<path d="M9 3h6M10 3v6L4.500 19a1.500 1.500 0 001.400 2h12.200a1.500 1.500 0 '
    '001.400-2L14 9V3"/><path d="M7.500 14h9"/>',
    "monitor": '<path d="M2 12h5l3-8 4 16 3-8h5"/>',
    "settings": '<circle cx="12" cy="12" r="3"/><path d="M12 2v4M12 18v4M2 12h4M18 12h4M5 5l2.800 '
    '2.800M16.200 16.200L19 19M19 5l-2.800 2.800M7.800 16.200L5 19"/>',
    "search": '<circle cx="11" cy="11" r="7"/><path d="M16 16l5 5"/>',
    "churnkit": '<path d="M4 13a8 8 0 1014-5"/><path d="M18 3v5h-5"/><path d="M9 13l2.500 2.500L16 '
    '11"/>',
}


def icon(name: str, colour: str, size: int = 20) -> QIcon:
    """An icon; sharp at 100, 150 and 200 %."""
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
        f'stroke="{colour}" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">'
        f"{_SHAPES[name]}</svg>"
    )
    renderer = QSvgRenderer(QByteArray(svg.encode()))
    made = QIcon()
    for scale in (1, 2, 3):
        pixmap = QPixmap(QSize(size, size) * scale)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter)
        painter.end()
        pixmap.setDevicePixelRatio(scale)
        made.addPixmap(pixmap)
    return made
