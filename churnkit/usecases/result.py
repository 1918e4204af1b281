"""What a use case returns: it prints itself in a terminal and a notebook, and becomes JSON."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod

from rich.console import Console, RenderableType

from churnkit.reporting.tables import html_table


class Result(ABC):
    """A result that a person reads and a program takes apart."""

    @abstractmethod
    def __rich__(self) -> RenderableType:
        """For a terminal."""

    @abstractmethod
    def to_json(self) -> dict[str, object]:
        """As plain data."""

    def _repr_html_(self) -> str:
        return html_table(self.__rich__())

    def __str__(self) -> str:
        console = Console(file=io.StringIO(), width=100, no_color=True, highlight=False)
        with console.capture() as capture:
            console.print(self.__rich__())
        return capture.get().rstrip("\n")

    __repr__ = __str__
