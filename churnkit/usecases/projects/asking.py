"""Ask somebody where churnkit does not guess silently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from churnkit.errors import Ambiguous, AmbiguousLog

Choose = Callable[[Ambiguous], str]
"""Answers a question with one of its ``options``."""
Answers = Mapping[str, str]
"""By question, what was chosen."""
Made = TypeVar("Made")


def asking(make: Callable[[Answers], Made], choose: Choose | None) -> Made:
    """Make something, and ask for what is not clear, each question once.

    Raises
    ------
    AmbiguousLog : something is not clear, and nobody is there to choose, or it was asked before
    """
    answers: dict[str, str] = {}
    while True:
        try:
            return make(answers)
        except AmbiguousLog as error:
            if choose is None or not error.options or error.question in answers:
                raise
            answers[error.question] = choose(error)
