"""How numbers, shares, amounts and moments are written; a person chooses it on “Settings”."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

NUMBERS = {"1,234.5": (",", "."), "1.234,5": (".", ","), "1 234.5": ("\u202f", "."),
           "1 234,5": ("\u202f", ",")}  # fmt: skip
"""By how they look: what stands between thousands, and before the decimals."""
LOCALES = {"1,234.5": "en_US", "1.234,5": "de_DE", "1 234.5": "C", "1 234,5": "fr_FR"}
"""Whose fields for numbers are alike."""
SHARES = ("12.3 %", "0.123")
AMOUNTS = ("100 EUR", "EUR 100")
DATES = {
    "2026-03-31 14:05": "%Y-%m-%d %H:%M",
    "31.03.2026 14:05": "%d.%m.%Y %H:%M",
    "31/03/2026 14:05": "%d/%m/%Y %H:%M",
    "03/31/2026 2:05 PM": "%m/%d/%Y %I:%M %p",
}
_TICKS = {
    "2026-03-31 14:05": ("%Y-%m", "%m-%d", "%H:%M", "%H:%M:%S"),
    "31.03.2026 14:05": ("%m.%Y", "%d.%m.", "%H:%M", "%H:%M:%S"),
    "31/03/2026 14:05": ("%m/%Y", "%d/%m", "%H:%M", "%H:%M:%S"),
    "03/31/2026 2:05 PM": ("%m/%Y", "%m/%d", "%I:%M %p", "%I:%M:%S %p"),
}
"""Where there is little room: a month, a day of a known year, a minute, a second of a day."""


@dataclass(frozen=True)
class Formats:
    """One way for each; the first is what nobody chose.

    Parameters
    ----------
    numbers : a key of ``NUMBERS``
    shares : one of ``SHARES``
    amounts : one of ``AMOUNTS``; the currency itself belongs to the project
    dates : a key of ``DATES``
    """

    numbers: str = "1,234.5"
    shares: str = "12.3 %"
    amounts: str = "100 EUR"
    dates: str = "2026-03-31 14:05"

    def to_json(self) -> dict[str, str]:
        """As it is remembered."""
        return asdict(self)


CHOICES: dict[str, tuple[str, ...]] = {
    "numbers": tuple(NUMBERS), "shares": SHARES, "amounts": AMOUNTS, "dates": tuple(DATES),
}  # fmt: skip
_in_use = Formats()


def in_use() -> Formats:
    """How things are written now."""
    return _in_use


def use(formats: Formats) -> None:
    """Write them so from now on."""
    global _in_use
    _in_use = formats


def remembered(told: Any) -> Formats:
    """Formats that were kept; what is not known any more is as if nobody had chosen."""
    kept = told if isinstance(told, dict) else {}
    known = {
        field.name: kept[field.name]
        for field in fields(Formats)
        if kept.get(field.name) in CHOICES[field.name]
    }
    return replace(Formats(), **known)


def number(text: str) -> str:
    """A number that Python wrote (1,234.5) as the person writes it."""
    thousands, decimals = NUMBERS[_in_use.numbers]
    return text.translate({ord(","): thousands, ord("."): decimals})


def share(value: float, digits: int) -> str:
    """A share in [0, 1]."""
    if _in_use.shares == SHARES[0]:
        return number(f"{value * 100:.{digits}f}") + " %"
    return number(f"{value:.{digits + 2}f}")


def amount(text: str, currency: str) -> str:
    """A number that stands already, with its currency."""
    return f"{text} {currency}" if _in_use.amounts == AMOUNTS[0] else f"{currency} {text}"


def moment_pattern() -> str:
    """For ``strftime``."""
    return DATES[_in_use.dates]


def day_pattern() -> str:
    """For ``strftime``, without the time of the day."""
    return moment_pattern().split(" ")[0]


def tick_pattern(kind: str) -> str:
    """For ``strftime``, at the axis of a chart.

    Parameters
    ----------
    kind : year, month, day, minute or second
    """
    month, day, minute, second = _TICKS[_in_use.dates]
    return {"year": "%Y", "month": month, "day": day, "minute": minute, "second": second}[kind]
