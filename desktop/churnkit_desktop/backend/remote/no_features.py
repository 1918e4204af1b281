"""What the screen Features asks for; a service has no answers, and ``why_not`` says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from churnkit.errors import ChurnkitError
from churnkit_desktop.backend.feature_facts import (
    Definition,
    FeatureFacts,
    FeatureLine,
    FeatureValues,
    Timeline,
)
from churnkit_desktop.language import tr

WHY = tr(
    "This screen reads single events of a customer, and the service "
    "has no address for that. It suggests and builds features by its "
    "jobs (/v1/features); to see and edit them along a customer's "
    "events, open the project folder that holds the log."
)


class NoFeatures:
    """Part of a backend."""

    def features(self) -> FeatureFacts:
        """See the protocol."""
        raise _refused()

    def check_features(self, definitions: Sequence[Definition]) -> tuple[FeatureLine, ...]:
        """See the protocol."""
        raise _refused()

    def find_customers(self, search: str) -> tuple[tuple[str, int], ...]:
        """See the protocol."""
        raise _refused()

    def timeline(self, customer_id: str) -> Timeline:
        """See the protocol."""
        raise _refused()

    def feature_values(
        self, customer_id: str, as_of: datetime, definitions: Sequence[Definition]
    ) -> FeatureValues:
        """See the protocol."""
        raise _refused()


def _refused() -> ChurnkitError:
    return ChurnkitError(tr("the service does not show features."), fix=WHY)
