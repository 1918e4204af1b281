"""Newline-delimited JSON: one object per line, and what is wrong with a line that is none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from churnkit.data.csv_sniffing import open_bytes
from churnkit.domain.jobs import RowFault

_LONGEST_LINE = 1 << 20
_READ_BYTES = 1 << 20
_SHOWN = 60
_MEND = "Write one JSON object per line."


@dataclass(slots=True)
class Lines:
    """Some lines: those that hold an object, with their numbers, and the others."""

    numbers: list[int] = field(default_factory=list)
    objects: list[Mapping[str, Any]] = field(default_factory=list)
    faults: list[RowFault] = field(default_factory=list)
    last: int = 0
    """The number of the last line that was read."""

    def __len__(self) -> int:
        return len(self.objects) + len(self.faults)


def read_lines(path: Path, *, most: int, skip: int = 0) -> Iterator[Lines]:
    """Read a file in bounded memory; blank lines are no rows.

    Parameters
    ----------
    most : rows in one piece
    skip : the number of the line to go on behind
    """
    found = Lines()
    for number, line in enumerate(_split(path), start=1):
        if number <= skip:
            continue
        found.last = number
        if line is not None and not line.strip():
            continue
        _read(line, number, found)
        if len(found) >= most:
            yield found
            found = Lines()
    if len(found):
        yield found


def _split(path: Path) -> Iterator[bytes | None]:
    """Lines without their ends; None for one that is too long to be read."""
    with open_bytes(path) as stream:
        rest, too_long = b"", False
        while chunk := stream.read(_READ_BYTES):
            first, *others = chunk.split(b"\n")
            rest += first
            for line in others:
                yield None if too_long or len(rest) > _LONGEST_LINE else rest
                rest, too_long = line, False
            if len(rest) > _LONGEST_LINE:
                rest, too_long = b"", True
        if rest or too_long:
            yield None if too_long or len(rest) > _LONGEST_LINE else rest


def _read(line: bytes | None, number: int, found: Lines) -> None:
    if line is None:
        reason = f"the line has more than {_LONGEST_LINE:,} bytes."
        found.faults.append(RowFault(row=number, reason=reason, fix=_MEND))
        return
    try:
        # The mark that some editors put before everything else.
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        value = json.loads(text, parse_constant=_no_number)
        if b"\\u" in line:
            json.dumps(value, ensure_ascii=False).encode()  # half a character?
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnicodeError):
            reason = "the line is no UTF-8 text."
        elif isinstance(error, RecursionError):
            reason = "the line is nested too deeply."
        else:
            reason = f"the line is no JSON: {error}."
        found.faults.append(RowFault(row=number, given=_cut(line), reason=reason, fix=_MEND))
        return
    if not isinstance(value, dict):
        reason = "the line is no JSON object."
        found.faults.append(RowFault(row=number, given=_cut(line), reason=reason, fix=_MEND))
        return
    found.numbers.append(number)
    found.objects.append(value)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON; write null")


def _cut(line: bytes) -> str:
    text = line[: 4 * _SHOWN].decode("utf-8", "replace").strip()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
