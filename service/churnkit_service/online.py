"""Features of customers whom a request only names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol


class OnlineFeatures(Protocol):
    """Reads the features that events built up (the online state)."""

    async def features(
        self, customer_ids: Sequence[str], as_of: datetime
    ) -> Sequence[Mapping[str, object] | None]:
        """The features of each customer at a moment, in their order; None: nothing is known.

        Raises
        ------
        StorageUnreachable : the database does not answer
        """
