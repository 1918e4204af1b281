"""What all commands share: the project, where output goes, and how progress is shown."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Concatenate, ParamSpec

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from churnkit.domain.progress import Progress as Report
from churnkit.domain.progress import Step
from churnkit.errors import SettingsInvalid
from churnkit.project import Project, open_project
from churnkit.usecases.result import Result

P = ParamSpec("P")
Folder = Annotated[
    Path | None,
    typer.Option("-C", "--project", metavar="DIR", help="The project folder.", show_default="."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else.")]


@dataclass
class Session:
    """One call of the command line."""

    folder: Path
    json: bool
    _bar: Progress | None = None

    @classmethod
    def begin(cls, ctx: typer.Context, folder: Path | None, json: bool) -> Session:
        """The options may stand before the command or behind it."""
        outer: Session | None = ctx.obj if isinstance(ctx.obj, Session) else None
        return cls(
            folder=folder or (outer.folder if outer else Path()),
            json=json or bool(outer and outer.json),
        )

    @property
    def err(self) -> Console:
        """Where a person reads what goes on; stdout is kept for results."""
        return Console(stderr=True, highlight=False)

    def project(self) -> Project:
        """The project of this call."""
        return open_project(self.folder)

    def show(self, result: Result) -> None:
        """Print a result, for a person or for a program."""
        if self.json:
            sys.stdout.write(json.dumps(result.to_json(), indent=1, ensure_ascii=False) + "\n")
        else:
            Console(highlight=False).print(result)

    def answer(
        self, usecase: Callable[Concatenate[Project, P], Result], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Call a use case of the project, and print what it gives."""
        with self.project() as project:
            self.show(usecase(project, *args, **kwargs))

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Somebody is asked: no bar is drawn over the question and what is typed."""
        bar = self._bar
        if bar is None:
            yield
            return
        bar.stop()
        yield
        bar.start()

    @contextmanager
    def progress(self) -> Iterator[Report]:
        """Show progress on stderr: a bar in a terminal, a line per stage elsewhere."""
        if self.err.is_terminal:
            with Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[detail]}"),
                TimeElapsedColumn(),
                console=self.err,
                transient=True,
            ) as bar:
                self._bar = bar
                task = bar.add_task("starting", total=None, detail="")

                def draw(step: Step) -> None:
                    bar.update(
                        task,
                        description=step.stage,
                        total=None if step.done is None else 1.0,
                        completed=step.done or 0.0,
                        detail=step.detail,
                    )

                yield draw
            self._bar = None
            return
        last = ""

        def line(step: Step) -> None:
            nonlocal last
            if step.stage != last:
                last = step.stage
                sys.stderr.write(f"{step.stage} …\n")

        yield line


def seconds(text: str | None) -> float | None:
    """A duration such as ``90``, ``90s``, ``2m`` or ``1.5h``, in seconds.

    Raises
    ------
    SettingsInvalid : it is no duration above 0
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|sec|m|min|h)?\s*", text)
    value = float(match[1]) * {"m": 60, "h": 3600}.get((match[2] or "s")[0], 1) if match else 0.0
    if value <= 0:
        raise SettingsInvalid(
            f"'{text}' is no duration.", fix="Write 120s, 2m or 1h.", option="--budget"
        )
    return value
