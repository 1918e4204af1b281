"""Customers whose arm a person chooses, from the command line or a file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from churnkit.errors import PlanInvalid

_COLUMNS = ("customer_id", "arm")


def parse_overrides(named: Iterable[str], file: Path | None = None) -> dict[str, str]:
    """Overrides written as ``CUSTOMER=ARM``, and those of a CSV with customer_id and arm.

    Raises
    ------
    PlanInvalid : a text is no override, or the file has not these columns
    """
    found: dict[str, str] = {}
    if file is not None:
        found |= _from_file(file.expanduser())
    for text in named:
        customer, sign, arm = text.rpartition("=")
        if not sign or not customer:
            raise PlanInvalid(
                f"'{text}' is no override.", fix="Write CUSTOMER=challenger or CUSTOMER=champion."
            )
        found[customer] = arm
    return found


def _from_file(file: Path) -> dict[str, str]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            if not set(_COLUMNS) <= set(reader.fieldnames or ()):
                raise PlanInvalid(
                    "a file of overrides needs the columns customer_id and arm.", file=file
                )
            return {row["customer_id"]: row["arm"] or "" for row in reader if row["customer_id"]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PlanInvalid(f"the overrides cannot be read: {error}.", file=file) from error
