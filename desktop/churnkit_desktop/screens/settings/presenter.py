"""Settings: how the console looks, what it remembers, which services it knows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from churnkit.errors import ChurnkitError
from churnkit_desktop import formats
from churnkit_desktop.backend.opening import try_service
from churnkit_desktop.desk import Console, Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.session import connections


@dataclass(frozen=True)
class Service:
    """A service that the console knows.

    Parameters
    ----------
    key : where its key is, in words
    state : what the last test said; empty: it was not tested
    """

    url: str
    key: str
    state: str = ""


class SettingsPresenter(Presenter):
    """Changes take effect at once, and are on the disk at once."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "settings")
        assert desk.console is not None
        self.console: Console = desk.console
        self.services: tuple[Service, ...] = ()
        self.has_keyring: bool | None = None
        """None: nobody has looked yet."""
        self.said = ""
        self._tested: dict[str, str] = {}

    def load(self) -> None:
        """Look which services there are, and where their keys are."""
        self.read(self._look, self._looked)

    @property
    def reopens(self) -> bool:
        """Whether the console opens what was open last."""
        return bool(self.console.memory.general().get("reopen", True))

    def set_reopens(self, wanted: bool) -> None:
        """Open what was open last, or the first page."""
        self.console.memory.remember(reopen=wanted)

    @property
    def language(self) -> str:
        """The language of the next start."""
        return str(self.console.memory.general().get("language", "en"))

    def choose_language(self, language: str) -> None:
        """Speak it from the next start on."""
        self.console.memory.remember(language=language)
        self.said = tr("The language changes when the console starts the next time.")
        self.changed()

    def choose_format(self, what: str, how: str) -> None:
        """Write numbers, shares, amounts or dates so; the screens are read anew."""
        chosen = replace(formats.in_use(), **{what: how})
        formats.use(chosen)
        self.said = tr("Fields for numbers follow when the console starts the next time.")
        self.console.memory.remember(formats=chosen.to_json())
        self.desk.changed()

    def choose_theme(self, choice: str) -> None:
        """Follow the system, or be light or dark."""
        self.console.choose_theme(choice)
        self.changed()

    def forget_layout(self) -> None:
        """The window as it is at the first start."""
        self.console.forget_layout()
        self.said = tr("The window has its first size and place again.")
        self.changed()

    def add(self) -> None:
        """Ask for another service."""
        self.console.ask_service(self.load)

    def open(self, url: str) -> None:
        """Go there."""
        self.console.open_place(url)

    def test(self, url: str) -> None:
        """See whether a service answers and knows the key."""
        keys = self.console.keys
        self._say(url, tr("testing …"))

        def failed(error: ChurnkitError) -> None:
            self._say(url, error.what)

        self.desk.runner.run(
            f"settings test {url}",
            lambda: try_service(url, keys.get(url)),
            lambda _none: self._say(url, tr("answers, and knows the key")),
            failed,
        )

    def remove(self, url: str) -> None:
        """Know a service and its key no more."""
        keys = self.console.keys
        connections.remove(self.console.memory, url)

        def forgotten(_none: None) -> None:
            self.said = keys.trouble or tr("{url} and its key are forgotten.").format(url=url)
            self.load()

        self.read(lambda: keys.forget(url), forgotten, "forget")

    def _say(self, url: str, state: str) -> None:
        self._tested[url] = state
        self.services = tuple(
            Service(one.url, one.key, self._tested.get(one.url, "")) for one in self.services
        )
        self.changed()

    def _look(self) -> tuple[bool, tuple[Service, ...]]:
        keys = self.console.keys
        there = keys.available()
        return there, tuple(
            Service(url, keys.place(url), self._tested.get(url, ""))
            for url in connections.known(self.console.memory)
        )

    def _looked(self, seen: tuple[bool, tuple[Service, ...]]) -> None:
        self.has_keyring, self.services = seen
