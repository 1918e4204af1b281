"""Where the shipped samples are."""

from __future__ import annotations

from pathlib import Path


def telco_path() -> Path:
    """The IBM Telco sample: 7,043 fictional customers, 26.54 % of whom churned."""
    return Path(__file__).parent / "telco_ibm.csv"


def cdnow_path() -> Path:
    """The CDNOW log: 69,659 real purchases of 23,570 customers, 1997-01-01 … 1998-06-30."""
    return Path(__file__).parent / "cdnow_master.txt"
