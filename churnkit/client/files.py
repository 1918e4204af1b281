"""Files that go to the service and come from it, piece by piece."""

from __future__ import annotations

import asyncio
import os
import tempfile
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Generic, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel

from churnkit.client.call import Call
from churnkit.errors import DataUnreadable
from churnkit.files import storage_errors

M = TypeVar("M", bound=BaseModel)
PIECE_BYTES = 1 << 18
_IN_MEMORY = 1 << 24
_TYPES = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_ENDINGS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".gz": "csv",
    ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
File = Path | str | Iterable[bytes]


@dataclass(frozen=True)
class Upload(Call[M], Generic[M]):
    """A request whose body is a file; it is read anew for each attempt."""

    content_type: str = ""
    file: Path | IO[bytes] = Path()

    def __post_init__(self) -> None:
        """What waits on the disk goes with the request."""
        if not isinstance(self.file, Path):
            weakref.finalize(self, self.file.close)

    def headers(self, key: str) -> dict[str, str]:
        """The headers, with the API key and the file's type."""
        headers = super().headers(key)
        headers["Content-Type"] = self.content_type
        return headers

    def pieces(self) -> Iterator[bytes]:
        """The file from its beginning.

        Raises
        ------
        DataUnreadable : it cannot be read
        """
        file = self.file
        if not isinstance(file, Path):
            file.seek(0)
            while piece := file.read(PIECE_BYTES):
                yield piece
            return
        try:
            with file.open("rb") as stream:
                while piece := stream.read(PIECE_BYTES):
                    yield piece
        except OSError as error:
            raise DataUnreadable(
                f"the file cannot be read: {error.strerror}.", fix="Check the path.", file=file
            ) from error


@dataclass(frozen=True)
class Download:
    """A request that is answered with a file."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)

    def target(self) -> str:
        """The path with its query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


def file_headers(key: str) -> dict[str, str]:
    """The headers of a request for a file, with the API key."""
    return {"Authorization": f"Bearer {key}"} if key else {}


async def beside(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces, read in a thread."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def type_of(file: File, form: str | None) -> str:
    """The type of a file's content.

    Raises
    ------
    DataUnreadable : neither its format nor its ending says it, or there is no such file
    """
    if isinstance(file, Path | str):
        path = Path(file)
        if not path.is_file():
            raise DataUnreadable("there is no such file.", fix="Check the path.", file=path)
        form = form or _ENDINGS.get(path.suffix.lower())
    if form is None:
        raise DataUnreadable(
            "it is not said what kind of file this is.",
            fix="Give format='csv', 'ndjson' or 'parquet'.",
        )
    return _TYPES[form]


def rereadable(file: File) -> Path | IO[bytes]:
    """A file that can be read several times: pieces wait on the disk, so that they can."""
    if isinstance(file, Path | str):
        return Path(file)
    spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - goes with the request
    for piece in file:
        spool.write(piece)
    return spool


@contextmanager
def appearing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place when it is whole.

    Raises
    ------
    DiskFull, FolderReadOnly : it cannot be written; an earlier one is unchanged
    """
    with storage_errors(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
