"""Fields for one number."""

from __future__ import annotations

from PySide6.QtWidgets import QDoubleSpinBox

_WIDTH = 180


class ShortNumberBox(QDoubleSpinBox):
    """Writes no more decimals than the number has: 68.5, not 68.5000."""

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        """The number as it is shown."""
        text = super().textFromValue(value)
        point = self.locale().decimalPoint()
        return text.rstrip("0").removesuffix(point) if point in text else text


def number_box(
    low: float, high: float, decimals: int, *, suffix: str = "", hint: str = "", none: str = ""
) -> QDoubleSpinBox:
    """A field that tells its number when it was entered.

    Parameters
    ----------
    suffix : its unit
    none : what stands instead of the lowest number
    """
    box = QDoubleSpinBox()
    box.setRange(low, high)
    box.setDecimals(decimals)
    box.setSuffix(suffix)
    box.setToolTip(hint)
    box.setKeyboardTracking(False)
    box.setMaximumWidth(_WIDTH)
    if none:
        box.setSpecialValueText(none)
    return box
