"""How figures and moments are written, the same on all screens."""

from __future__ import annotations

from datetime import UTC, datetime

from churnkit.domain.evaluation import Estimate
from churnkit_desktop import formats
from churnkit_desktop.language import tr


def percent(share: float, digits: int = 1) -> str:
    """0.123 → 12.3 %."""
    return formats.share(share, digits)


def points(value: float) -> str:
    """0.123 → +12.3 points."""
    return formats.number(f"{value * 100:+.1f}")


def plural(n: int, word: str) -> str:
    """1 version, 2 versions."""
    return tr(f"{{n}} {word}" if n == 1 else f"{{n}} {word}s").format(n=whole(n))


def whole(number: float) -> str:
    """1234567 → 1,234,567."""
    return formats.number(f"{number:,.0f}")


def money(amount: float, currency: str) -> str:
    """1234.5, EUR → 1,234.50 EUR; whole from 1,000 on."""
    written = f"{amount:,.0f}" if abs(amount) >= 1000 else f"{amount:,.2f}"
    return formats.amount(formats.number(written), currency)


def estimate(figure: Estimate, digits: int = 3) -> str:
    """A figure with its 95 % interval."""
    value, low, high = (
        formats.number(f"{part:.{digits}f}") for part in (figure.value, figure.low, figure.high)
    )
    apart = "; " if "," in low else ", "
    return f"{value}  [{low}{apart}{high}]"


def day(moment: datetime | None) -> str:
    """A moment of the person's own zone, to the minute; a dash where there is none."""
    return "–" if moment is None else moment.astimezone().strftime(formats.moment_pattern())


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long since, in the largest fitting unit."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < 90:
        return tr("just now")
    minutes = int(seconds // 60)
    if minutes < 60:
        since = plural(max(minutes, 1), "minute")
    elif minutes < 24 * 60:
        since = plural(minutes // 60, "hour")
    else:
        since = plural(minutes // (24 * 60), "day")
    return tr("{time} ago").format(time=since)
