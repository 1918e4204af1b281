"""Where the shipped samples are."""

from __future__ import annotations

from pathlib import Path


def telco_path() -> Path:
    """The IBM Telco sample: 7,043 fictional customers, 26.54 % of whom churned."""
    return Path(__file__).parent / "telco_ibm.csv"
