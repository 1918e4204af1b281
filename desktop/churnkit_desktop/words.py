"""How figures and moments are written, the same on all screens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from churnkit.domain.evaluation import Estimate
from churnkit_desktop import formats
from churnkit_desktop.language import tr


def percent(share: float, digits: int = 1) -> str:
    """0.123 → 12.3 %."""
    return formats.share(share, digits)


def stage(share: float) -> str:
    """A share that a person chose, with no more figures than it has: 0.05 → 5 %."""
    return percent(share, len(f"{share * 100:g}".partition(".")[2]))


def points(value: float) -> str:
    """0.123 → +12.3 points."""
    return formats.number(f"{round(value * 100, 1) + 0.0:+.1f}")  # and never -0.0


def plural(n: int, word: str) -> str:
    """1 version, 2 versions."""
    return tr(f"{{n}} {word}" if n == 1 else f"{{n}} {word}s").format(n=whole(n))


def whole(number: float) -> str:
    """1234567 → 1,234,567."""
    return formats.number(f"{number:,.0f}")


def decimals(digits: int, sign: str = "") -> Callable[[float], str]:
    """Writes numbers with so many decimals: 2 makes 1234.5 → 1,234.50.

    Parameters
    ----------
    sign : ``+`` writes the sign of gains, too
    """
    return lambda value: formats.number(f"{value:{sign},.{digits}f}")


def figure(value: float, digits: int = 4) -> str:
    """A number of unknown size with so many figures that count: 0.123456 → 0.1235."""
    return formats.number(f"{value:,.{digits}g}")


def money(amount: float, currency: str) -> str:
    """1234.5, EUR → 1,234.50 EUR; whole from 1,000 on."""
    written = decimals(0 if abs(amount) >= 1000 else 2)(amount)
    return formats.amount(written, currency)


def with_unit(text: str, unit: str) -> str:
    """A title with what it is measured in, where that is known: profit (EUR)."""
    return f"{text} ({unit})" if unit else text


def suffix(unit: str) -> str:
    """A unit behind a number that is entered."""
    return f" {unit}" if unit else ""


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


def date_of(moment: date) -> str:
    """A day of the calendar."""
    return moment.strftime(formats.day_pattern())


def clock(moment: datetime) -> str:
    """A minute of the day in the person's own zone."""
    return moment.astimezone().strftime(formats.tick_pattern("minute"))


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
