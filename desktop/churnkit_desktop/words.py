"""How figures and moments are written, the same on all screens."""

from __future__ import annotations

from datetime import UTC, datetime

from churnkit.domain.evaluation import Estimate


def percent(share: float, digits: int = 1) -> str:
    """0.123 → 12.3 %."""
    return f"{share * 100:.{digits}f} %"


def points(value: float) -> str:
    """0.123 → +12.3 points."""
    return f"{value * 100:+.1f}"


def plural(n: int, word: str) -> str:
    """1 version, 2 versions."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def whole(number: float) -> str:
    """1234567 → 1,234,567."""
    return f"{number:,.0f}"


def money(amount: float, currency: str) -> str:
    """1234.5, EUR → 1,234.50 EUR; whole from 1,000 on."""
    return f"{amount:,.0f} {currency}" if abs(amount) >= 1000 else f"{amount:,.2f} {currency}"


def estimate(figure: Estimate, digits: int = 3) -> str:
    """A figure with its 95 % interval."""
    return f"{figure.value:.{digits}f}  [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def day(moment: datetime | None) -> str:
    """A moment of the person's own zone, to the minute; a dash where there is none."""
    return "–" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M")


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long since, in the largest fitting unit."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < 90:
        return "just now"
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            n = int(seconds // size)
            return f"{n} {unit}{'s' if n != 1 else ''} ago"
    return "just now"
