"""Which backend a place needs."""

from __future__ import annotations

from churnkit_desktop.backend.protocol import Backend


def is_address(place: str) -> bool:
    """Whether a place is a service's address rather than a folder."""
    return place.startswith(("http://", "https://"))


def open_backend(place: str) -> Backend:
    """Open a project folder.

    Raises
    ------
    ProjectNotFound, SettingsInvalid : the folder cannot be opened
    """
    # DuckDB, Arrow and SQLAlchemy load with it: in a thread, after the window is there.
    from churnkit_desktop.backend.local import LocalBackend

    return LocalBackend(place)
