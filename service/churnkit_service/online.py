"""Features of customers whom a request only names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from churnkit.project import Project
from churnkit.usecases.online.reading import online_features
from churnkit_service.queries import Queries


class OnlineFeatures(Protocol):
    """Reads the features that events built up (the online state)."""

    async def features(
        self, customer_ids: Sequence[str], as_of: datetime
    ) -> Sequence[Mapping[str, object] | None]:
        """The features of each customer at a moment, in their order; None: nothing is known.

        Raises
        ------
        StorageUnreachable : the database does not answer
        NoOnlineState, MomentTooOld : the state was not made for this model, or for this moment
        """


class StateFeatures:
    """Reads them from the states in the ledger's database.

    Parameters
    ----------
    feature_hash : gives the FeatureSet of the model that serves now
    """

    def __init__(self, queries: Queries, project: Project, feature_hash: Callable[[], str]) -> None:
        self._queries = queries
        self._project = project
        self._feature_hash = feature_hash

    async def features(
        self, customer_ids: Sequence[str], as_of: datetime
    ) -> Sequence[Mapping[str, object] | None]:
        """The features of each customer, in their order; None: no event of the customer came."""
        found = await self._queries.run(
            online_features,
            self._project,
            customer_ids,
            as_of=as_of,
            feature_hash=self._feature_hash(),
        )
        return [one.values if one.known else None for one in found]
