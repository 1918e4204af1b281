"""The colours and measures of both themes.

Series colours are those of Okabe & Ito (2008, "Color universal design"), which people with any
common colour blindness can tell apart; risk never speaks by colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tokens:
    """One theme; colours as #rrggbb."""

    name: str
    window: str
    surface: str
    raised: str
    line: str
    text: str
    faint: str
    accent: str
    on_accent: str
    accent_soft: str
    good: str
    warn: str
    bad: str
    bad_soft: str
    warn_soft: str
    series: tuple[str, ...]

    def band(self, band: str) -> str:
        """The colour of a risk band."""
        return {"high": self.bad, "medium": self.warn, "low": self.good}.get(band, self.faint)


LIGHT = Tokens(
    name="light",
    window="#f4f5f7",
    surface="#ffffff",
    raised="#eef0f4",
    line="#d5d9e0",
    text="#1b2330",
    faint="#586274",
    accent="#0b62b0",
    on_accent="#ffffff",
    accent_soft="#dceaf8",
    good="#00785a",
    warn="#9a5b00",
    bad="#b3261e",
    bad_soft="#fbe9e7",
    warn_soft="#fdf1dc",
    series=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#2f8fc4", "#444c5c"),
)

DARK = Tokens(
    name="dark",
    window="#14181f",
    surface="#1c222b",
    raised="#262d38",
    line="#3a4350",
    text="#e8ecf2",
    faint="#a3adbc",
    accent="#62b0f0",
    on_accent="#0d1420",
    accent_soft="#1f3a54",
    good="#4cc9a0",
    warn="#f0b458",
    bad="#ff8a80",
    bad_soft="#46211f",
    warn_soft="#403119",
    series=("#56b4e9", "#e69f00", "#2fc79a", "#e29cc4", "#f0e442", "#7fb9ff", "#c3cad6"),
)
