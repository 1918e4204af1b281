"""How fast an API key may send: a bucket of tokens that fills all the time."""

from __future__ import annotations

import time

from churnkit_service.problems import TooManyRequests


class Rates:
    """One bucket per key; it holds one second's worth of requests.

    Parameters
    ----------
    per_second : requests of one key; 0: no limit
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str) -> None:
        """Count one request. Keys are known ones, so there are never many buckets.

        Raises
        ------
        TooManyRequests : the key sends too fast
        """
        rate = self._per_second
        if not rate:
            return
        now = time.monotonic()
        capacity = rate if rate > 1.0 else 1.0
        tokens, since = self._buckets.get(key_id, (capacity, now))
        tokens += (now - since) * rate
        if tokens > capacity:
            tokens = capacity
        if tokens < 1.0:
            self._buckets[key_id] = (tokens, now)
            raise TooManyRequests(
                f"this API key sends more than {rate:g} requests per second.",
                fix="Send more items in one request, or wait.",
            )
        self._buckets[key_id] = (tokens - 1.0, now)
