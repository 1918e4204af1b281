"""Which backend a place needs, and who does its long work."""

from __future__ import annotations

from churnkit.errors import ChurnkitError
from churnkit_desktop.backend.protocol import Backend
from churnkit_desktop.backend.remote import python
from churnkit_desktop.backend.remote.backend import RemoteBackend
from churnkit_desktop.session.keys import Keys
from churnkit_desktop.session.memory import PlaceMemory
from churnkit_desktop.session.script import Script
from churnkit_desktop.work.bench import Bench, Workbench
from churnkit_desktop.work.service_bench import ServiceBench


def is_address(place: str) -> bool:
    """Whether a place is a service's address rather than a folder."""
    return place.startswith(("http://", "https://"))


def open_backend(place: str, keys: Keys) -> Backend:
    """Open a project folder, or connect to a service.

    Raises
    ------
    ProjectNotFound, SettingsInvalid : the folder cannot be opened
    ConnectionLost, KeyRefused : the service does not answer, or does not know the key
    """
    if is_address(place):
        return RemoteBackend(place, keys.get(place))
    # DuckDB, Arrow and SQLAlchemy load with it: in a thread, after the window is there.
    from churnkit_desktop.backend.local import LocalBackend

    return LocalBackend(place)


def try_service(url: str, key: str) -> None:
    """Connect and let go again.

    Raises
    ------
    ConnectionLost, KeyRefused : the service does not answer, or does not know the key
    """
    RemoteBackend(url, key).close()


def make_script(backend: Backend) -> Script:
    """An empty script in the words of the place."""
    if isinstance(backend, RemoteBackend):
        return Script(backend.place, line=python.line, head=python.head(backend.place))
    return Script(backend.place)


def make_bench(backend: Backend, memory: PlaceMemory, script: Script) -> Bench:
    """Who does long work there."""
    if isinstance(backend, RemoteBackend):
        return ServiceBench(backend.line, memory, script)
    return Workbench(backend.place, memory, script)


def currency_of(backend: Backend) -> str:
    """What its amounts are in; empty where it may not be asked."""
    try:
        return backend.money().currency
    except ChurnkitError:
        return ""
