"""Models that are ready beside the one that serves: fetched, checked, compiled, warm."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from churnkit.domain.replicas import Loaded
from churnkit.errors import ChurnkitError
from churnkit.usecases.operating.online import Scorer

log = logging.getLogger("churnkit.service")


class WarmModels:
    """Keeps models that somebody asked to have ready; may be used from several threads.

    Parameters
    ----------
    load : makes a version ready; blocks
    """

    def __init__(self, load: Callable[[str], Scorer]) -> None:
        self._load = load
        self._ready: dict[str, Scorer] = {}
        self._about: dict[str, Loaded] = {}
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def take(self, version: str) -> Scorer:
        """A version that is ready: at once, or after it was loaded.

        Raises
        ------
        ChurnkitError : it cannot be loaded
        """
        with self._lock:
            ready = self._ready.get(version)
        return self._load(version) if ready is None else ready

    def get(self, version: str) -> Scorer | None:
        """A version, if it is ready."""
        with self._lock:
            return self._ready.get(version)

    def told(self) -> tuple[Loaded, ...]:
        """What became of each version that was asked for."""
        with self._lock:
            return tuple(self._about.values())

    def follow(self, wanted: Sequence[str]) -> None:
        """Load what is wanted and not ready, and let go of what is not wanted any more.

        One after the other: a load takes a core and memory. What failed is tried again.
        """
        with self._loading:
            with self._lock:
                for version in set(self._about) - set(wanted):
                    self._ready.pop(version, None)
                    del self._about[version]
            for version in wanted:
                if self.get(version) is None:
                    self._make_ready(version)

    def _make_ready(self, version: str) -> None:
        self._note(Loaded(model_version=version, state="loading"))
        start = time.perf_counter()
        try:
            scorer = self._load(version)
        except ChurnkitError as error:
            log.warning("model not loaded", extra={"error": error.to_json()})
            self._note(Loaded(model_version=version, state="failed", problem=error.code))
            return
        except Exception:  # whatever it is, the model that serves goes on
            log.exception("model not loaded")
            self._note(Loaded(model_version=version, state="failed", problem="unexpected"))
            return
        seconds = round(time.perf_counter() - start, 3)
        with self._lock:
            self._ready[version] = scorer
        self._note(
            Loaded(
                model_version=version,
                state="ready",
                bundle_hash=scorer.bundle_hash,
                seconds=seconds,
            )
        )
        log.info("model ready", extra={"model_version": version, "seconds": seconds})

    def _note(self, loaded: Loaded) -> None:
        with self._lock:
            self._about[loaded.model_version] = loaded
