"""The service from ordinary Python code."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from pydantic import BaseModel

from churnkit.client.call import Call, is_passing, refuse
from churnkit.client.files import PIECE_BYTES, Download, Upload, appearing, file_headers
from churnkit.client.jobs import Batches, Datasets, Features, Reports, Trainings
from churnkit.client.resources import Requests
from churnkit.client.retrying import Patience
from churnkit.errors import MissingDependency, ServiceUnreachable

M = TypeVar("M", bound=BaseModel)


class Client(Requests):
    """Asks the service; may be shared between threads.

    Parameters
    ----------
    url, others : addresses of the service; when one does not answer, the next is asked
    key : the API key
    patience_seconds : how long a request is sent again, when the service cannot answer now
    timeout_seconds : how long one attempt waits for its answer
    """

    def __init__(
        self,
        url: str,
        *others: str,
        key: str = "",
        patience_seconds: float = 30.0,
        timeout_seconds: float = 30.0,
    ) -> None:
        try:
            import urllib3
        except ImportError as error:
            raise MissingDependency(
                "the client needs urllib3.", fix="Install 'churnkit[client]'."
            ) from error
        self._urls = itertools.cycle([one.rstrip("/") for one in (url, *others)])
        self._url = next(self._urls)
        self._key = key
        self._patience = patience_seconds
        timeout = urllib3.Timeout(connect=min(5.0, timeout_seconds), read=timeout_seconds)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False, maxsize=16)
        self.batches = Batches(self)
        self.datasets = Datasets(self)
        self.features = Features(self)
        self.trainings = Trainings(self)
        self.reports = Reports(self)
        self._trouble = (urllib3.exceptions.HTTPError, OSError)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.clear()

    def send(self, call: Call[M]) -> M:
        """Send a request until it is answered.

        Raises
        ------
        ServiceRefused : the service will not do it
        ServiceUnreachable : it could not for longer than the client's patience
        """
        patience = Patience(self._patience, time.monotonic())
        headers = call.headers(self._key)
        while True:
            url = self._url
            retry_after: str | None = None
            try:
                answer = self._pool.request(
                    call.method,
                    url + call.target(),
                    # A file is read from its beginning each time.
                    body=call.pieces() if isinstance(call, Upload) else call.content(),
                    headers=headers,
                    redirect=False,
                )
                if not is_passing(answer.status, answer.data):
                    return call.read(answer.status, answer.data)
                said = f"it answered with status {answer.status}"
                retry_after = answer.headers.get("Retry-After")
            except self._trouble as error:
                said = str(error)
            pause = patience.pause(time.monotonic(), retry_after)
            if pause is None:
                raise ServiceUnreachable(
                    f"the service cannot answer: {said}.",
                    fix="Is it running, and is its database?",
                    url=url,
                )
            self._url = next(self._urls)
            time.sleep(pause)  # this client blocks; what the service asked for, or ever longer

    def download(self, asked: Download, path: Path | str) -> Path:
        """Fetch a file; it appears whole or not at all.

        Raises
        ------
        ServiceRefused : the service has no such file
        ServiceUnreachable : it did not send it for longer than the client's patience
        DiskFull, FolderReadOnly : it cannot be written here
        """
        patience, target = Patience(self._patience, time.monotonic()), Path(path)
        while True:
            url = self._url
            retry_after: str | None = None
            try:
                answer = self._pool.request(
                    "GET", url + asked.target(), headers=file_headers(self._key),
                    redirect=False, preload_content=False,
                )  # fmt: skip
                try:
                    if answer.status == 200:
                        with appearing(target) as file:
                            for piece in answer.stream(PIECE_BYTES):
                                file.write(piece)
                        return target
                    told = answer.read()
                finally:
                    answer.close()
                if not is_passing(answer.status, told):
                    refuse(answer.status, told)
                said = f"it answered with status {answer.status}"
                retry_after = answer.headers.get("Retry-After")
            except self._trouble as error:
                said = str(error)
            pause = patience.pause(time.monotonic(), retry_after)
            if pause is None:
                raise ServiceUnreachable(
                    f"the service cannot answer: {said}.",
                    fix="Is it running, and is its database?",
                    url=url,
                )
            self._url = next(self._urls)
            time.sleep(pause)  # this client blocks, before it asks another address
