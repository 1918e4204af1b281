"""What a screen is given: the backend, who runs work, what is remembered, how to go elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from churnkit.client.messages.feed import FeedEvent
from churnkit_desktop.backend.protocol import Backend
from churnkit_desktop.notice import News, Notice
from churnkit_desktop.runner import Runs
from churnkit_desktop.session.keys import Keys
from churnkit_desktop.session.memory import Memory, PlaceMemory
from churnkit_desktop.session.script import Script
from churnkit_desktop.work.bench import Bench


@dataclass(frozen=True)
class Console:
    """What belongs to the console and to no place.

    Parameters
    ----------
    ask_service : opens the dialog for another service; what is given is called when it is known
    """

    memory: Memory
    keys: Keys
    choose_theme: Callable[[str], None]
    forget_layout: Callable[[], None]
    ask_service: Callable[[Callable[[], None]], None]
    open_place: Callable[[str], None]


@dataclass
class Desk:
    """One opened place.

    Parameters
    ----------
    backend : a project folder or a service
    runner : short work, off the event loop
    bench : long work, in child processes
    memory : drafts of the screens
    script : the lines of Python behind what was done
    go : opens a screen by its key, with a subject (a customer, a version) or ""
    changed : the project changed: screens read again when they are looked at
    news : what a service told by itself
    second : a second has passed, where there is a connection
    currency : of all amounts of the place; empty: not known
    """

    backend: Backend
    runner: Runs
    bench: Bench
    memory: PlaceMemory
    script: Script
    go: Callable[[str, str], None]
    changed: Notice = field(default_factory=Notice)
    news: News[FeedEvent] = field(default_factory=News)
    second: Notice = field(default_factory=Notice)
    console: Console | None = None
    currency: str = ""
