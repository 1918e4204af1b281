"""What outlives a window: written as it changes, so that a killed console comes back as it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from churnkit_desktop.language import tr
from churnkit_desktop.session import behind
from churnkit_desktop.session.files import read_document

RECENT = 12


class Memory:
    """The console's own files.

    Parameters
    ----------
    folder : where they are; None: the user's folder for states
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or user_state_path("churnkit", appauthor=False) / "desktop"
        self.trouble = ""
        """Why the last writing failed; empty: it did not."""

    def general(self) -> dict[str, Any]:
        """What belongs to no place: theme, size of the window."""
        return self.read("general.json")

    def remember(self, **changes: Any) -> None:
        """Change some of what belongs to no place."""
        self.write("general.json", {**self.general(), **changes})

    def recent(self) -> tuple[str, ...]:
        """Places that were opened, the latest first."""
        places = self.read("recent.json").get("places", [])
        return tuple(place for place in places if isinstance(place, str))

    def opened(self, place: str) -> None:
        """This place was opened now."""
        places = [place, *(other for other in self.recent() if other != place)]
        self.write("recent.json", {"places": places[:RECENT]})

    def forget(self, place: str) -> None:
        """Take a place off the list; its files stay."""
        self.write("recent.json", {"places": [p for p in self.recent() if p != place]})

    def place(self, place: str) -> PlaceMemory:
        """What belongs to one place."""
        name = hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:20]
        return PlaceMemory(self, f"place-{name}.json", place)

    def read(self, name: str) -> dict[str, Any]:
        """What a file holds, or will in a moment."""
        path = self.folder / name
        text = behind.waiting(path)
        if text is None:
            return read_document(path)
        document: dict[str, Any] = json.loads(text)
        return document

    def write(self, name: str, document: dict[str, Any]) -> None:
        """Replace a file, soon."""
        # In ASCII: a folder's name, or half of a pasted sign, may be no text that UTF-8 can write.
        text = json.dumps(document, indent=1)
        behind.write_soon(self.folder / name, text, self._written)

    def settle(self) -> None:
        """Wait until all is on the disk."""
        behind.settle()

    def _written(self, error: OSError | None) -> None:
        # A console whose disk is full still works; it says that it cannot remember.
        self.trouble = (
            tr("cannot save the state of the console: {strerror}").format(
                strerror=error.strerror or error
            )
            if error is not None
            else ""
        )


class PlaceMemory:
    """Screens' drafts, what is running, the script: of one project or service."""

    def __init__(self, memory: Memory, name: str, place: str) -> None:
        self._memory = memory
        self._name = name
        self._document = memory.read(name) or {"place": place}

    @property
    def folder(self) -> Path:
        """Where the console keeps its files."""
        return self._memory.folder

    def get(self, key: str, default: Any = None) -> Any:
        """What was kept under a name."""
        return self._document.get(key, default)

    def put(self, key: str, value: Any) -> None:
        """Keep plain data under a name; it is on its way to the disk when this returns."""
        if self._document.get(key) == value:
            return
        self._document[key] = value
        written = self._written()
        written[key] = value
        self._memory.write(self._name, written)

    def drop(self, key: str) -> None:
        """Keep it no longer."""
        if key not in self._document:
            return
        del self._document[key]
        written = self._written()
        written.pop(key, None)
        self._memory.write(self._name, written)

    def _written(self) -> dict[str, Any]:
        """What stands in the file: what another window on this place keeps there stays."""
        return self._memory.read(self._name) or dict(self._document)
